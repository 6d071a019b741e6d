// Writes every named node of llama.cpp's graphs for one prompt, at full precision, as a safetensors file.
//
//   llamacpp_dump TEXT.gguf OUT.safetensors IDS [MMPROJ.gguf IMAGE_TOKEN PICTURE.rgb WIDTH HEIGHT]
//
// IDS are the prompt's tokens, separated by commas, as glmv preprocess writes them. The run of IMAGE_TOKEN is given to
// the projector as a picture (WIDTH * HEIGHT * 3 bytes). Nodes are called NAME.OPERATION, those of the vision graph
// vision/NAME.OPERATION; the rows of the prompt's pieces are put one behind the other. What the last layer leaves out
// (llama.cpp computes there only rows whose logits are wanted) is not written. llamacpp.py builds and calls this.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "ggml-backend.h"
#include "ggml.h"
#include "llama.h"
#include "mtmd-helper.h"
#include "mtmd.h"

namespace {

/// Rows of one node, outermost axis first; grows along `axis` with every piece of the prompt.
struct Node {
  bool integer = false;
  std::vector<int64_t> shape;
  std::vector<char> bytes;
  int64_t rows = 0;
};

struct Dump {
  std::map<std::string, Node> nodes;
  std::map<std::string, Node> piece;  ///< of the graph that runs now
  std::string prefix;

  /// Takes over what the piece computed: whole rows go behind the rows of the pieces before.
  void finish_piece(int64_t tokens) {
    for (auto& [name, node] : piece) {
      if (tokens > 0 && node.rows != tokens) continue;
      Node& all = nodes[name];
      if (all.shape.empty()) {
        all = std::move(node);
        continue;
      }
      all.shape[0] += node.shape[0];
      all.rows += node.rows;
      all.bytes.insert(all.bytes.end(), node.bytes.begin(), node.bytes.end());
    }
    piece.clear();
  }
};

bool is_wanted(const ggml_tensor* t) {
  const std::string name = t->name;
  const bool ours = t->type == GGML_TYPE_F32 || t->type == GGML_TYPE_F16 || t->type == GGML_TYPE_I32;
  return ours && !name.empty() && name.find(' ') == std::string::npos && name.rfind("node_", 0) != 0 &&
         name.rfind("leaf_", 0) != 0 && name.rfind("cache_", 0) != 0;
}

float f32_at(const char* at, ggml_type type) {
  return type == GGML_TYPE_F16 ? ggml_fp16_to_fp32(*reinterpret_cast<const ggml_fp16_t*>(at))
                               : *reinterpret_cast<const float*>(at);
}

/// Elements in row-major order, whatever the strides are.
Node copy_of(const ggml_tensor* t) {
  Node node;
  node.integer = t->type == GGML_TYPE_I32;
  int axes = GGML_MAX_DIMS;
  while (axes > 2 && t->ne[axes - 1] == 1) --axes;
  for (int i = axes - 1; i >= 0; --i) node.shape.push_back(t->ne[i]);
  node.rows = node.shape[0];
  const auto* data = static_cast<const char*>(t->data);
  for (int64_t l = 0; l < t->ne[3]; ++l) {
    for (int64_t k = 0; k < t->ne[2]; ++k) {
      for (int64_t j = 0; j < t->ne[1]; ++j) {
        for (int64_t i = 0; i < t->ne[0]; ++i) {
          const char* at = data + i * t->nb[0] + j * t->nb[1] + k * t->nb[2] + l * t->nb[3];
          char out[4];
          const float value = node.integer ? 0 : f32_at(at, t->type);
          std::copy_n(node.integer ? at : reinterpret_cast<const char*>(&value), 4, out);
          node.bytes.insert(node.bytes.end(), out, out + 4);
        }
      }
    }
  }
  return node;
}

/// llama.cpp asks first whether the node is wanted and calls again when it is computed.
bool on_node(ggml_tensor* t, bool ask, void* user) {
  if (ask) return is_wanted(t);
  auto* dump = static_cast<Dump*>(user);
  if (t->buffer != nullptr && !ggml_backend_buffer_is_host(t->buffer)) return true;
  dump->piece[dump->prefix + t->name + '.' + ggml_op_name(t->op)] = copy_of(t);
  return true;
}

void write_safetensors(const std::string& path, const std::map<std::string, Node>& nodes) {
  std::ostringstream header;
  header << "{\"__metadata__\":{\"names\":\"llamacpp\",\"dtype\":\"f32\",\"producer\":\"llama.cpp\"}";
  size_t at = 0;
  for (const auto& [name, node] : nodes) {
    header << ",\"" << name << "\":{\"dtype\":\"" << (node.integer ? "I32" : "F32") << "\",\"shape\":[";
    for (size_t i = 0; i < node.shape.size(); ++i) header << (i ? "," : "") << node.shape[i];
    header << "],\"data_offsets\":[" << at << ',' << at + node.bytes.size() << "]}";
    at += node.bytes.size();
  }
  std::string text = header.str() + '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  std::ofstream out(path, std::ios::binary);
  const uint64_t length = text.size();  // the machines llama.cpp runs on here are little-endian
  out.write(reinterpret_cast<const char*>(&length), 8);
  out << text;
  for (const auto& [name, node] : nodes) out.write(node.bytes.data(), static_cast<std::streamsize>(node.bytes.size()));
  if (!out.flush()) throw std::runtime_error(path + ": cannot be written");
}

std::vector<llama_token> parse_ids(const std::string& text) {
  std::vector<llama_token> ids;
  std::istringstream in(text);
  for (std::string id; std::getline(in, id, ',');) ids.push_back(std::stoi(id));
  return ids;
}

void decode_text(llama_context* context, const std::vector<llama_token>& ids, llama_pos& past, Dump& dump) {
  if (ids.empty()) return;
  llama_batch batch = llama_batch_init(static_cast<int32_t>(ids.size()), 0, 1);
  for (size_t i = 0; i < ids.size(); ++i) {
    batch.token[i] = ids[i];
    batch.pos[i] = past++;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  batch.n_tokens = static_cast<int32_t>(ids.size());
  const bool ok = llama_decode(context, batch) == 0;
  llama_batch_free(batch);
  if (!ok) throw std::runtime_error("llama_decode failed");
  dump.finish_piece(static_cast<int64_t>(ids.size()));
}

struct Picture {
  std::string projector, file;
  uint32_t width = 0, height = 0;
};

const mtmd_input_chunk* image_chunk(const mtmd_input_chunks* chunks) {
  for (size_t i = 0; i < mtmd_input_chunks_size(chunks); ++i) {
    const mtmd_input_chunk* chunk = mtmd_input_chunks_get(chunks, i);
    if (mtmd_input_chunk_get_type(chunk) == MTMD_INPUT_CHUNK_TYPE_IMAGE) return chunk;
  }
  throw std::runtime_error("the projector makes no picture of it");
}

void decode_picture(llama_model* model, llama_context* context, const Picture& picture, llama_pos& past, Dump& vision,
                    Dump& text) {
  mtmd_context_params params = mtmd_context_params_default();
  params.use_gpu = false;
  params.warmup = false;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  params.cb_eval = on_node;
  params.cb_eval_user_data = &vision;
  mtmd_context* tower = mtmd_init_from_file(picture.projector.c_str(), model, params);
  if (tower == nullptr) throw std::runtime_error(picture.projector + ": cannot be loaded");
  std::ifstream in(picture.file, std::ios::binary);
  const std::vector<char> rgb{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (rgb.size() != size_t{3} * picture.width * picture.height) throw std::runtime_error(picture.file + ": wrong size");
  mtmd_bitmap* bitmap =
      mtmd_bitmap_init(picture.width, picture.height, reinterpret_cast<const unsigned char*>(rgb.data()));
  mtmd_input_chunks* chunks = mtmd_input_chunks_init();
  const std::string marker = mtmd_default_marker();
  const mtmd_input_text prompt{marker.c_str(), marker.size(), false, true};
  const mtmd_bitmap* bitmaps[] = {bitmap};
  if (mtmd_tokenize(tower, chunks, &prompt, bitmaps, 1) != 0) throw std::runtime_error("mtmd_tokenize failed");
  const mtmd_input_chunk* chunk = image_chunk(chunks);
  const auto tokens = static_cast<int64_t>(mtmd_input_chunk_get_n_tokens(chunk));
  if (mtmd_helper_eval_chunk_single(tower, context, chunk, past, 0, 2048, false, &past) != 0)
    throw std::runtime_error("the picture cannot be evaluated");
  vision.finish_piece(0);
  text.finish_piece(tokens);
  mtmd_input_chunks_free(chunks);
  mtmd_bitmap_free(bitmap);
  mtmd_free(tower);
}

/// Nodes that have a row for every token, and the logits of the last one.
std::map<std::string, Node> complete(Dump& text, Dump& vision, int64_t tokens) {
  std::map<std::string, Node> out = std::move(vision.nodes);
  for (auto& [name, node] : text.nodes) {
    if (name.rfind("result_output.", 0) == 0) {
      const size_t row = node.bytes.size() / static_cast<size_t>(node.rows);
      node.bytes.erase(node.bytes.begin(), node.bytes.end() - static_cast<std::ptrdiff_t>(row));
      node.shape[0] = 1;
    } else if (node.rows != tokens) {
      continue;
    }
    out[name] = std::move(node);
  }
  return out;
}

void run(int argc, char** argv) {
  if (argc != 4 && argc != 9)
    throw std::runtime_error(
        "usage: llamacpp_dump TEXT.gguf OUT.safetensors IDS [MMPROJ.gguf IMAGE_TOKEN PICTURE.rgb WIDTH HEIGHT]");
  Dump text, vision;
  vision.prefix = "vision/";
  llama_backend_init();
  llama_model* model = llama_model_load_from_file(argv[1], llama_model_default_params());
  if (model == nullptr) throw std::runtime_error(std::string(argv[1]) + ": cannot be loaded");
  llama_context_params params = llama_context_default_params();
  params.n_ctx = params.n_batch = params.n_ubatch = 2048;
  params.type_k = params.type_v = GGML_TYPE_F32;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  params.cb_eval = on_node;
  params.cb_eval_user_data = &text;
  llama_context* context = llama_init_from_model(model, params);
  if (context == nullptr) throw std::runtime_error("no context");

  const std::vector<llama_token> ids = parse_ids(argv[3]);
  auto first = ids.end(), last = ids.end();
  if (argc == 9) {
    const llama_token image = std::stoi(argv[5]);
    first = std::find(ids.begin(), ids.end(), image);
    last = std::find_if(first, ids.end(), [&](llama_token id) { return id != image; });
  }
  llama_pos past = 0;
  decode_text(context, {ids.begin(), first}, past, text);
  if (argc == 9) {
    const Picture picture{argv[4], argv[6], static_cast<uint32_t>(std::stoul(argv[7])),
                          static_cast<uint32_t>(std::stoul(argv[8]))};
    decode_picture(model, context, picture, past, vision, text);
    decode_text(context, {last, ids.end()}, past, text);
  }
  write_safetensors(argv[2], complete(text, vision, static_cast<int64_t>(ids.size())));
  llama_free(context);
  llama_model_free(model);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "llamacpp_dump: %s\n", e.what());
    return 3;
  }
  return 0;
}
