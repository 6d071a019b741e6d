// Any bytes are a table, a literal, base64, a completion, subtitles, stored responses or an Error: nothing else leaves
// the readers. The first byte chooses the reader.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "eval/bytes.h"
#include "eval/endpoint.h"
#include "eval/import.h"
#include "eval/python_literal.h"
#include "eval/row_fields.h"
#include "eval/table.h"
#include "reference/core/error.h"

namespace {

/// A file of the process's own, which only it sees.
std::string file_with(const std::string& text) {
  static const int file = [] {
    char name[] = "/tmp/glmv-fuzz-XXXXXX";
    const int fd = ::mkstemp(name);
    ::unlink(name);
    return fd;
  }();
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    std::abort();
  return "/proc/self/fd/" + std::to_string(file);
}

void read_table(const std::string& text) {
  const glmv::eval::TsvTable table = glmv::eval::read_tsv(file_with(text));
  for (const auto& row : table.rows) {
    if (row.size() != table.columns.size()) std::abort();
    for (const auto& cell : row) {
      if (glmv::eval::cell_text(cell).size() > cell.size()) std::abort();
    }
  }
}

void read_rows(const std::string& text, const char* kind) {
  glmv::eval::Layout layout;
  layout.kind = kind;
  layout.rows = text.size() % 2 == 0 ? "" : "rows";
  glmv::eval::read_json_rows(file_with(text), layout, [](const glmv::eval::Json& row, const std::string&) {
    if (!row.is_object()) std::abort();
  });
}

/// Stored responses, read and scored: a rule gives every row a reading.
void import(const std::string& text, const glmv::ImportLayout& layout) {
  const glmv::ImportReport report = glmv::score_stored(layout, {file_with(text)});
  for (const auto& readings : report.readings) {
    if (readings.size() != report.rows.size()) std::abort();
  }
  if (glmv::import_text(report, "", true).empty()) std::abort();
}

void read(uint8_t which, const std::string& text) {
  glmv::eval::Response response;
  std::string why;
  switch (which % 9) {
    case 0: return read_table(text);
    case 1: glmv::eval::parse_python_literal(text); return;
    case 2: glmv::eval::base64_decode(text, "fuzz"); return;
    case 3: glmv::eval::parse_completion(text, response, why); return;
    case 4: return read_rows(text, text.size() % 3 == 0 ? "json" : "jsonl");
    case 5: glmv::eval::subtitle_text(text); return;
    case 6: return import(text, glmv::rows_layout());
    case 7: return import(text, glmv::lmms_eval_layout());
    default: return import(text, glmv::vlmevalkit_layout());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  try {
    read(data[0], std::string(reinterpret_cast<const char*>(data) + 1, size - 1));
  } catch (const glmv::Error& error) {
    if (error.code() != glmv::ExitCode::bad_input && error.code() != glmv::ExitCode::usage) std::abort();
  }
  return 0;
}
