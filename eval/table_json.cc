#include <fnmatch.h>
#include <openssl/evp.h>

#include <algorithm>
#include <filesystem>

#include "data/file.h"
#include "data/json_file.h"
#include "data/json_node.h"
#include "eval/json_lines.h"
#include "eval/table.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
namespace fs = std::filesystem;
using RowSink = std::function<void(Json row, const std::string& where)>;

constexpr uint64_t kMostJsonBytes = uint64_t{2} << 30;

/// One element of the row's list with the row's other columns.
void explode(Json row, const Layout& layout, const std::string& where, const RowSink& sink) {
  if (layout.explode.empty()) return sink(std::move(row), where);
  const std::vector<JsonNode> parts = JsonNode{row, where + ':'}.at(layout.explode.c_str()).list();
  for (size_t i = 0; i < parts.size(); ++i) {
    parts[i].expect_object();
    Json one = row;
    one.erase(layout.explode);
    one.update(parts[i].value);
    sink(std::move(one), concat(where, '.', layout.explode, '[', i, ']'));
  }
}

void take_row(const Json& value, const Json& root, const Layout& layout, const std::string& key,
              const std::string& where, const RowSink& sink) {
  JsonNode{value, where + ':'}.expect_object();
  Json row = value;
  for (const std::string& column : layout.shared) row[column] = JsonNode{root, where + ':'}.at(column.c_str()).value;
  if (!layout.keyed.empty()) row[layout.keyed] = key;
  explode(std::move(row), layout, where, sink);
}

void read_json(const std::string& path, const Layout& layout, const RowSink& sink) {
  const Json root = parse_json(read_file(path, kMostJsonBytes), path);
  const JsonNode node{root, path + ':'};
  const Json& rows = layout.rows.empty() ? root : node.at(layout.rows.c_str()).value;
  if (!layout.keyed.empty()) {
    JsonNode{rows, node.where}.expect_object();
    for (const auto& [key, value] : rows.items()) take_row(value, root, layout, key, concat(path, ": ", key), sink);
    return;
  }
  if (!rows.is_array()) JsonNode{rows, concat(node.where, ' ', layout.rows)}.refuse("a list of rows");
  for (size_t i = 0; i < rows.size(); ++i)
    take_row(rows[i], root, layout, "", concat(path, ": ", layout.rows, '[', i, ']'), sink);
}

void read_json_lines(const std::string& path, const Layout& layout, const RowSink& sink) {
  for_each_json_line(path, [&](int64_t line, Json row) {
    take_row(std::move(row), Json(), layout, "", concat(path, " line ", line), sink);
  });
}

std::string hash_hex(const std::string& path, const EVP_MD* kind) {
  const MappedFile file = MappedFile::open(path);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(file.text().data(), file.text().size(), digest, &size, kind, nullptr) != 1)
    input_error(path, ": its hash cannot be computed");
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    out += "0123456789abcdef"[digest[i] >> 4];
    out += "0123456789abcdef"[digest[i] & 15];
  }
  return out;
}

}  // namespace

void read_json_rows(const std::string& path, const Layout& layout, const RowSink& row) {
  const std::string stem = fs::path(path).stem().string();
  const RowSink named = [&](Json one, const std::string& where) {
    one["$file"] = stem;  // MVBench: the file's name is the task
    row(std::move(one), where);
  };
  layout.kind == "jsonl" ? read_json_lines(path, layout, named) : read_json(path, layout, named);
}

std::vector<std::string> files_of(const Layout& layout, const std::string& folder) {
  std::vector<std::string> out;
  for (const std::string& pattern : layout.files) {
    const fs::path whole = fs::path(folder) / pattern;
    const size_t before = out.size();
    std::error_code error;
    if (pattern.find('*') == std::string::npos) {
      if (fs::exists(whole, error)) out.push_back(whole.string());
    } else if (fs::is_directory(whole.parent_path(), error)) {
      for (const fs::directory_entry& entry : fs::directory_iterator(whole.parent_path())) {
        if (::fnmatch(whole.filename().c_str(), entry.path().filename().c_str(), FNM_PERIOD) == 0)
          out.push_back(entry.path().string());
      }
    }
    if (out.size() == before) return {};
    std::sort(out.begin() + static_cast<std::ptrdiff_t>(before), out.end());
  }
  return out;
}

std::string hash_difference(const std::string& path, const std::string& expected) {
  const bool md5 = expected.starts_with("md5:");
  const std::string wanted = expected.substr(expected.find(':') + 1);
  const std::string found = hash_hex(path, md5 ? EVP_md5() : EVP_sha256());
  return found == wanted ? "" : concat(md5 ? "md5" : "sha256", " is ", found, ", the manifest says ", wanted);
}

}  // namespace glmv::eval
