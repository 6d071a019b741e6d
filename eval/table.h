// Rows of a data set, whatever it is kept in.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/bytes.h"
#include "eval/manifest.h"

namespace glmv::eval {

/// A table with named columns whose cells are slices of a mapped file: pictures of megabytes stay on the disk until
/// they are looked at.
struct TsvTable {
  std::string path;
  MappedFile file;
  std::vector<std::string> columns;                 ///< lower case, but for the single capitals A to Z
  std::vector<std::vector<std::string_view>> rows;  ///< raw: quoted cells with their quotes
};

/// Tab-separated with a header, quoting as pandas does (a quoted cell may hold tabs, line breaks and doubled quotes).
/// Error (exit code 3) names file and line: a row with more or fewer cells than the header, an open quote, text behind
/// a closing quote, a column that is there twice, text that is not UTF-8.
TsvTable read_tsv(const std::string& path);

/// A cell without its quotes.
std::string cell_text(std::string_view raw);
/// The same without copying, where nothing in it is doubled; for base64.
std::string_view cell_slice(std::string_view raw);

/// Calls `row` with each row of a JSON or JSON-lines file of this layout, which names it ("file.json: rows[3]").
void read_json_rows(const std::string& path, const Layout& layout,
                    const std::function<void(Json row, const std::string& where)>& row);

/// The layout's files below a folder, sorted; a "*" matches any text without "/". Empty if one of them is not there.
std::vector<std::string> files_of(const Layout& layout, const std::string& folder);

/// "md5 is ..., the manifest says ..." if a file's hash is not the one the layout names for it, else "".
std::string hash_difference(const std::string& path, const std::string& expected);

}  // namespace glmv::eval
