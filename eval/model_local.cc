// A local model: greedy, one question after the other.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/checkpoint.h"
#include "data/file.h"
#include "eval/model.h"
#include "reference/core/error.h"
#include "reference/model/generate.h"
#include "reference/model/glm4v.h"

namespace glmv::eval {
namespace {

constexpr int64_t kMostClosingTokens = 2;               // </think>, and <answer> where the template has it
constexpr int64_t kMostHashedBytes = int64_t{4} << 30;  // larger checkpoints are told apart by config, sizes and names

struct Local {
  Model model;
  Processor processor;
  DeviceWeights::Shared weights;
  SessionOptions session;
};

/// What tells this checkpoint from another.
Json weights_identity(const Checkpoint& checkpoint) {
  if (checkpoint.data_bytes() <= kMostHashedBytes) return {{"model_sha256", checkpoint.sha256()}};
  std::string all = read_file(checkpoint.dir() + "/config.json");
  for (const std::string& file : checkpoint.files())
    all += concat(std::filesystem::path(file).filename().string(), ' ', std::filesystem::file_size(file), '\n');
  return {{"model_names_and_sizes_sha256", sha256_hex(all.data(), all.size())}};
}

/// At most this many visual tokens: of a picture a token covers merge x merge patches, twice over two equal frames.
void limit_tokens(ImageConfig& config, int64_t tokens) {
  const int64_t side = config.patch_size * config.merge_size;
  if (tokens > 0) config.max_volume = std::min(config.max_volume, tokens * side * side * config.temporal_patch_size);
}

std::string hash_of(const Tensor& tensor) {
  const size_t bytes =
      tensor.view.rank == 0 ? 0 : static_cast<size_t>(tensor.view.dim[0] * tensor.view.dim[1]) * sizeof(float);
  return bytes == 0 ? "" : sha256_hex(tensor.data<float>(), bytes);
}

Prompt prompt_of(const Local& local, const Question& question, const AskOptions& options) {
  Processor processor = local.processor;
  limit_tokens(processor.image, options.image_tokens);
  limit_tokens(processor.video, options.video_tokens);
  std::vector<Image> pictures;
  std::vector<Clip> clips;
  for (const Medium* m : question.media) {
    if (m->kind == Medium::Kind::image)
      pictures.push_back(read_picture(*m));
    else
      clips.push_back(read_clip(*m, processor.video, options.frames_per_second));
  }
  ChatOptions chat;
  chat.enable_thinking = options.thinking;
  return make_prompt(processor, question.messages, chat, pictures, clips);
}

/// How thinking is closed by force; nothing for a tokenizer that has no such tokens. A small tokenizer may lack the
/// <answer> of its template, which is then not opened.
std::optional<ThinkTokens> closing_tokens(const Processor& processor) {
  const auto has = [&](const char* token) { return processor.tokenizer.id_of(token) >= 0; };
  if (!has("<think>") || !has("</think>") || !has("<|assistant|>")) return std::nullopt;
  return think_tokens(processor.tokenizer, has("<answer>") ? processor.chat_template : ChatTemplate::glm45v);
}

/// The limit of everything but an answer that follows thinking closed by force: on_token() of a generation whose own
/// limit leaves room for that one.
class Limit {
 public:
  Limit(const ThinkTokens& tokens, int64_t most) : tokens_(tokens), most_(most) {}
  /// False where the generation has to stop.
  bool took(int64_t id) {
    if (id == tokens_.begin) open_ = true;
    if (id == tokens_.end[0]) open_ = false;
    if (++count_ == most_) closed_by_force_ = open_;
    return count_ < most_ || closed_by_force_;
  }

 private:
  ThinkTokens tokens_;
  int64_t most_, count_ = 0;
  bool open_ = false, closed_by_force_ = false;
};

/// At most `most` tokens; thinking that is not closed by then is closed, and goes on for `more`. 0: it is left open.
Generation generate_answer(const Local& local, Session& session, const Prompt& prompt, int64_t most, int64_t more) {
  GenerateOptions how;
  how.margins = false;
  GenerationSettings settings;
  settings.max_new_tokens = most;
  const std::optional<ThinkTokens> closing = more > 0 ? closing_tokens(local.processor) : std::nullopt;
  if (!closing) return generate(session, prompt, local.model.config, settings, how);
  how.think = *closing;
  settings.thinking_budget = most - 1;  // <think> itself is no token of the budget
  settings.max_new_tokens = most + static_cast<int64_t>(closing->end.size()) + more;
  Limit limit(*closing, most);
  how.on_token = [&](int64_t id) { return limit.took(id); };
  Generation g = generate(session, prompt, local.model.config, settings, how);
  if (g.finish_reason == "cancelled") g.finish_reason = "length";
  return g;
}

Response answer(const Local& local, const Prompt& prompt, const AskOptions& options) {
  Response r;
  const auto have = static_cast<int64_t>(prompt.ids.size()),
             positions = local.model.config.text.max_position_embeddings;
  if (have >= positions) {
    r.status = "failed";
    r.error = concat(have, " prompt tokens, the model has ", positions, " positions");
    return r;
  }
  const int64_t more = options.thinking && options.forced_close ? options.forced_tokens : 0,
                spare = more > 0 ? more + kMostClosingTokens : 0,
                most = std::clamp<int64_t>(options.max_new_tokens, 1, std::max<int64_t>(1, positions - have - spare));
  SessionOptions session_options = local.session;
  session_options.max_tokens = std::min(positions, have + most + spare);
  Session session(local.model, local.weights, session_options);
  const int64_t room = session_options.max_tokens - have - most - kMostClosingTokens;
  const Generation g =
      generate_answer(local, session, prompt, most, std::clamp<int64_t>(more, 0, std::max<int64_t>(room, 0)));
  r.forced = g.forced > 0;
  r.text = local.processor.tokenizer.decode(g.text_ids());
  r.finish_reason = g.finish_reason;
  r.prompt_tokens = have;
  r.completion_tokens = static_cast<int64_t>(g.ids.size());
  return r;
}

}  // namespace

ModelUnderTest local_model(const LocalOptions& options) {
  const Backend& backend = *options.backend;
  auto local =
      std::make_shared<Local>(Local{Model::open(options.dir), Processor::open(resolve_model(options.dir)), {}, {}});
  local->weights = DeviceWeights::upload(local->model.weights, backend);
  local->session.activation = options.activation;
  ModelUnderTest out;
  out.name = options.dir;
  out.identity = weights_identity(local->model.checkpoint);
  out.identity.update({{"kind", "local"},
                       {"model", options.dir},
                       {"backend", backend.name},
                       {"dtype", name_of(options.activation)},
                       {"sampling", "greedy"}});
  out.prepare = [local, identity = out.identity](const std::string&, const Sample&, const Question& question,
                                                 const AskOptions& asked) {
    auto prompt = std::make_shared<Prompt>(prompt_of(*local, question, asked));
    Prepared p;
    Json model = identity;
    model.erase("model");  // where it lies makes no difference
    p.sent = {{"model", model},
              {"prompt", question_text(question)},
              {"prompt_token_ids_sha256", sha256_hex(prompt->ids.data(), prompt->ids.size() * sizeof(int64_t))},
              {"prompt_tokens", prompt->ids.size()},
              {"pixel_sha256", hash_of(prompt->pixel_values)},
              {"video_pixel_sha256", hash_of(prompt->pixel_values_videos)},
              {"thinking", asked.thinking},
              {"max_new_tokens", asked.max_new_tokens},
              {"forced_close", asked.forced_close ? asked.forced_tokens : 0},
              {"repeat", asked.repeat}};
    p.key = key_of(p.sent);
    p.ask = [local, prompt, asked] {
      try {
        return answer(*local, *prompt, asked);
      } catch (const Error& e) {
        Response r;
        r.status = "failed";
        r.error = e.what();
        return r;
      }
    };
    return p;
  };
  return out;
}

}  // namespace glmv::eval
