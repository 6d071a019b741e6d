// Bytes in the forms data sets carry them in: base64, and files that are too large to be read whole.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "data/base64.h"

namespace glmv::eval {

/// White space inside is skipped, missing padding is accepted, as Python's b64decode does with what such files hold.
/// Error (exit code 3) that begins with `where` for any other character and for a length no encoder makes.
std::string base64_decode(std::string_view text, const std::string& where);

/// A file mapped for reading; the text stays valid as long as a copy lives.
class MappedFile {
 public:
  /// Error (exit code 3) for what is not a readable regular file.
  static MappedFile open(const std::string& path);
  std::string_view text() const { return text_; }

 private:
  std::shared_ptr<const void> mapping_;
  std::string_view text_;
};

}  // namespace glmv::eval
