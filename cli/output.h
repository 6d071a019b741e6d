// Results: to stdout or a file, whole or not at all, and never silently lost.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace glmv::cli {

using Json = nlohmann::ordered_json;

/// What a verb will write to -o.
enum class Output {
  text,     ///< text or JSON: to stdout without -o and with "-"
  tensors,  ///< a safetensors file
  picture,  ///< a PNG file
  folder,   ///< several files
};

/// Notices before the work begins that its result could not be written; a folder is made. Error: exit code 2 for "-"
/// where only files can be written, 3 for a place that cannot be written to. `flag` is the one that named it.
void check_output(const std::string& path, Output what, const char* flag = "-o");

/// To be called when the inputs are read and the work has not begun. Error (exit code 2) if the result would take the
/// place of one of them.
void check_keeps_inputs(const std::string& path);

/// True for "", "-" and "/dev/stdout".
bool is_stdout(const std::string& path);

/// Has the reader of stdout gone away, or was it closed from the beginning?
bool stdout_is_gone();

/// Writes text to `path`, or to stdout. A file is written beside and renamed. Error (exit code 3) if not every byte
/// arrived.
void write_result(const std::string& text, const std::string& path);

/// The same for JSON, indented, with a newline at the end. NaN and infinity become null.
void write_json(const Json& json, const std::string& path);

/// {"schema": "glmv.<kind>/1", "created": now in UTC, "version": ...}
Json result_header(const std::string& kind);

/// The command as it was typed, without the program's folder.
std::string command_line();

/// Numbers with thousands separators: 107,710,933,120.
std::string grouped(int64_t n);

/// 1.5 GiB, 12.0 MiB, 345 bytes.
std::string bytes_text(int64_t n);

}  // namespace glmv::cli
