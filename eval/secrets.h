// Keys and passwords are sent to a server and must come back nowhere: servers repeat them in errors and answers.
#pragma once

#include <string>
#include <vector>

namespace glmv::eval {

/// What of a request must not be stored or printed.
class Secrets {
 public:
  /// The bearer token among `headers`; user, password and query values of `url`. What has fewer than 6 characters is no
  /// secret ("EMPTY" is what vLLM wants for a key) and would be found in any text.
  Secrets(const std::string& url, const std::vector<std::string>& headers);
  /// Every occurrence replaced by "[secret]".
  std::string hide(std::string text) const;

 private:
  void add(const std::string& secret);
  std::vector<std::string> all_;  ///< the longest first
};

/// The value of an environment variable, or "".
std::string key_in(const std::string& variable);

/// A text with every http address in it without user, password and query values:
/// "http://***@host/v1?api_key=***".
std::string without_credentials(const std::string& text);

}  // namespace glmv::eval
