// A row's cells -> the values that prompts and rules use.
#pragma once

#include "eval/data_folder.h"
#include "eval/manifest.h"

namespace glmv::eval {

/// The fields of one row. `row` has a value per column; a TSV's are texts. Conversions of a cell ("as"):
///   text            as it is; numbers as JSON writes them
///   integer number  parsed
///   circular_group  an integer modulo 1,000,000: MMBench's shifted copies of one question agree in it
///   literal         a Python literal, or the JSON value itself
///   list            the same as a list; a text that is none is a list of one
///   json            JSON inside a text
///   letters         a list as options by letter: {"A": ..., "B": ...}; "A. " in front of each is taken off
///   option_columns  one column per letter; an empty cell is no option
///   option_index    the number of an option, from 0 -> its letter
///   option_text     the text of an option -> its letter
///   lettered        the text of an option -> "(B) text"
///   joined          several columns' texts with "/" between them
///   srt             the texts of the subtitles in FOLDER/<cell>.srt; null if there is no such file
/// A column "a.b" is the member b of the object in column a. Error (exit code 3) names row, field and value. `folder`
/// holds the data.
Json convert_row(const Json& row, const std::vector<Field>& fields, const DataFolder& folder, const std::string& where);

/// Where the rows choose among options, is the gold answer one of them? Error (exit code 3) names row, column and
/// value: no options, or an answer that is none of their letters. Benchmarks with open questions beside may have rows
/// without options.
void check_gold(const Json& values, const Manifest& manifest, const std::vector<Field>& fields,
                const std::string& where);

/// The texts of an SRT file, line by line, without numbers and times.
std::string subtitle_text(const std::string& srt);

/// Puts "<image n>" into a text before the code points at the given positions. Pictures at position 0 get no mark: they
/// stand in front. Error (exit code 3) for a position behind the end.
std::string insert_marks(const std::string& text, const std::vector<int64_t>& positions, const std::string& marker,
                         const std::string& where);

}  // namespace glmv::eval
