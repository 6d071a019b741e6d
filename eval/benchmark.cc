#include "eval/benchmark.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "data/checkpoint.h"
#include "data/json_node.h"
#include "eval/row_fields.h"
#include "eval/table.h"
#include "eval/template.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
namespace fs = std::filesystem;

struct Found {
  size_t layout = 0;
  std::string folder;
  std::vector<std::string> files;
};

Found find_files(const Manifest& m, const std::string& folder) {
  for (const fs::path& place : {fs::path(folder) / m.id, fs::path(folder)}) {
    for (size_t i = 0; i < m.layouts.size(); ++i) {
      std::vector<std::string> files = files_of(m.layouts[i], place.string());
      if (!files.empty()) return {i, place.string(), std::move(files)};
    }
  }
  std::string wanted;
  for (const Layout& layout : m.layouts) {
    for (const std::string& file : layout.files) wanted += (wanted.empty() ? "" : ", ") + file;
  }
  input_error(folder, ": no data of ", m.id, " there (looked for ", wanted, "); to get it: ", m.obtain);
}

class Loader {
 public:
  Loader(Benchmark& out, DataFolder folder)
      : out_(out), layout_(out.manifest.layouts[out.layout]), folder_(std::move(folder)) {}

  void read(const std::string& file) {
    if (layout_.kind == "tsv") return read_table(file);
    read_json_rows(file, layout_, [&](const Json& row, const std::string& where) {
      const auto no_other_row = [&](const std::string& index) -> std::string_view {
        input_error(where, ": ", index, ": rows of this layout name no other rows");
      };
      add(
          row, where, [](const std::string&) { return std::string_view(); }, no_other_row);
    });
  }

 private:
  void read_table(const std::string& file) {
    const TsvTable table = read_tsv(file);
    out_.mappings.push_back(table.file);
    std::map<std::string, size_t> column_of;
    for (size_t i = 0; i < table.columns.size(); ++i) column_of[table.columns[i]] = i;
    const auto index = column_of.find("index"), image = column_of.find("image");
    std::map<std::string, std::string_view> image_of;
    if (index != column_of.end() && image != column_of.end()) {
      for (const auto& row : table.rows) image_of.emplace(cell_text(row[index->second]), row[image->second]);
    }
    for (size_t i = 0; i < table.rows.size(); ++i) {
      const auto& cells = table.rows[i];
      const auto raw = [&](const std::string& column) {
        return column_of.count(column) > 0 ? cells[column_of[column]] : std::string_view();
      };
      const auto other = [&](const std::string& wanted) {
        return image_of.count(wanted) > 0 ? image_of[wanted] : std::string_view();
      };
      add(row_of(table, cells), concat(file, " row ", i + 1), raw, other);
    }
  }

  /// Cells as texts, without those that only media fields look at.
  Json row_of(const TsvTable& table, const std::vector<std::string_view>& cells) const {
    Json row = Json::object();
    for (size_t i = 0; i < cells.size(); ++i) {
      if (!is_base64_column(table.columns[i])) row[table.columns[i]] = cell_text(cells[i]);
    }
    return row;
  }
  bool is_base64_column(const std::string& name) const {
    for (const MediaField& f : layout_.media) {
      if (f.as == "base64" && f.column == name) return true;
    }
    return false;
  }

  void add(const Json& row, const std::string& where, const std::function<std::string_view(const std::string&)>& raw,
           const std::function<std::string_view(const std::string&)>& other) {
    for (const auto& [column, values] : layout_.keep) {
      if (!row.contains(column) || std::count(values.begin(), values.end(), text_of(row[column])) == 0) {
        ++out_.left_out;
        return;
      }
    }
    Sample sample;
    sample.values = convert_row(row, layout_.fields, folder_, where);
    check_gold(sample.values, out_.manifest, layout_.fields, where);
    if (!layout_.insert_media.empty()) place_media(row, where, sample);
    sample.id = text_of(sample.values["id"]);
    if (!seen_.insert(sample.id).second) input_error(where, ": the id \"", sample.id, "\" is there twice");
    for (const MediaField& f : layout_.media) add_media(f, row, where, raw, other, sample);
    out_.samples.push_back(std::move(sample));
  }

  void place_media(const Json& row, const std::string& where, Sample& sample) const {
    std::vector<int64_t> positions;
    for (const JsonNode& node : JsonNode{row, where + ':'}.at(layout_.insert_media.c_str()).list())
      positions.push_back(node.integer());
    sample.values["question"] =
        insert_marks(text_of(sample.values["question"]), positions, out_.manifest.marker, where);
  }

  void add_media(const MediaField& f, const Json& row, const std::string& where,
                 const std::function<std::string_view(const std::string&)>& raw,
                 const std::function<std::string_view(const std::string&)>& other, Sample& sample) {
    const auto cell = row.find(f.column);
    const std::string_view slice = raw(f.column);
    const bool absent =
        (cell == row.end() || cell->is_null() || cell->empty() || (cell->is_string() && text_of(*cell).empty())) &&
        cell_slice(slice).empty();
    if (absent && f.optional) return;
    if (absent) input_error(where, ": ", f.column, " is missing or empty");
    for (Medium& m :
         media_of_cell(f, cell == row.end() ? Json() : *cell, slice, folder_, concat(where, ": ", f.column), other))
      sample.media.push_back(std::move(m));
  }

  Benchmark& out_;
  const Layout& layout_;
  DataFolder folder_;
  std::set<std::string> seen_;
};

void check_hashes(Benchmark& out, const LoadOptions& options) {
  const Layout& layout = out.manifest.layouts[out.layout];
  size_t known = 0, different = 0;
  for (const std::string& file : out.files) {
    const MappedFile mapped = MappedFile::open(file);
    out.hashes.push_back(sha256_hex(mapped.text().data(), mapped.text().size()));
    const auto expected = layout.hashes.find(fs::path(file).filename().string());
    if (expected == layout.hashes.end()) continue;
    if (const std::string wrong = hash_difference(file, expected->second); wrong.empty()) {
      ++known;
    } else if (options.any_hash) {
      ++different;
    } else {
      input_error(file, ": ", wrong, "; --any-hash reads it all the same");
    }
  }
  out.hash = different > 0 ? "differs" : known == out.files.size() ? "matches" : "not known";
}

/// Splits a text at the marks "<image 1>", "<image 2>" ... or at each "<image>".
std::vector<ContentPart> split_at_marks(const std::string& text, const std::string& marker, size_t media,
                                        std::vector<size_t>& order) {
  const size_t number = marker.find("{n}");
  std::vector<ContentPart> parts;
  size_t from = 0;
  const auto text_until = [&](size_t end) {
    if (end > from) parts.push_back({ContentPart::Kind::text, text.substr(from, end - from)});
  };
  for (size_t at = 0; at < text.size();) {
    size_t length = 0, which = media;
    if (number == std::string::npos) {
      if (text.compare(at, marker.size(), marker) == 0) length = marker.size(), which = order.size();
    } else {
      for (size_t i = 0; i < media && length == 0; ++i) {
        const std::string mark = marker.substr(0, number) + std::to_string(i + 1) + marker.substr(number + 3);
        if (text.compare(at, mark.size(), mark) == 0) length = mark.size(), which = i;
      }
    }
    if (length == 0 || which >= media) {
      ++at;
      continue;
    }
    text_until(at);
    parts.push_back({ContentPart::Kind::image, ""});
    order.push_back(which);
    from = at += length;
  }
  text_until(text.size());
  return parts;
}

ContentPart::Kind part_kind(const Medium& m) {
  return m.kind == Medium::Kind::image ? ContentPart::Kind::image : ContentPart::Kind::video;
}

}  // namespace

Benchmark load_benchmark(const Manifest& manifest, const std::string& folder, const LoadOptions& options) {
  Benchmark out;
  out.manifest = manifest;
  Found found = find_files(manifest, folder);
  out.layout = found.layout;
  out.files = std::move(found.files);
  check_hashes(out, options);
  Loader loader(out, DataFolder(found.folder, folder));
  for (const std::string& file : out.files) loader.read(file);
  if (out.samples.empty()) input_error(out.files[0], ": no samples of ", manifest.id, " in it");
  return out;
}

Question question_of(const Manifest& manifest, const Frame& frame, const Sample& sample) {
  const std::string where = concat(manifest.id, " ", sample.id);
  const std::string text = render_frame(frame, sample.values, where);
  std::vector<size_t> marked;
  std::vector<ContentPart> parts = {{ContentPart::Kind::text, text}};
  if (!manifest.marker.empty()) parts = split_at_marks(text, manifest.marker, sample.media.size(), marked);
  Message user{"user", {}, {}};
  Question out;
  const std::set<size_t> named(marked.begin(), marked.end());
  for (size_t i = 0; i < sample.media.size(); ++i) {
    if (named.count(i) > 0) continue;
    user.content.push_back({part_kind(sample.media[i]), ""});
    out.media.push_back(&sample.media[i]);
  }
  user.content.insert(user.content.end(), parts.begin(), parts.end());
  for (const size_t i : marked) out.media.push_back(&sample.media[i]);
  if (!frame.system.empty())
    out.messages.push_back(
        {"system", {{ContentPart::Kind::text, fill_template(frame.system, sample.values, frame.option, where)}}, {}});
  out.messages.push_back(std::move(user));
  return out;
}

}  // namespace glmv::eval
