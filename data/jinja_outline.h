// What a Jinja template does, without how it is laid out: for recognising a template that is known.
#pragma once

#include <string>
#include <string_view>

namespace glmv {

/// The text pieces that a template prints and the tags between them, in order: white space that Jinja strips
/// (trim_blocks, lstrip_blocks, "-" and "+" in tags), comments, white space inside tags and the choice of quotes are
/// gone. Templates of one outline render everything alike. Error (exit code 3): a tag without an end.
std::string jinja_outline(std::string_view source);

}  // namespace glmv
