// A row's cells -> the values that prompts and rules use.
#pragma once

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
/// Error (exit code 3) names row, field and value.
Json convert_row(const Json& row, const std::vector<Field>& fields, const std::string& where);

}  // namespace glmv::eval
