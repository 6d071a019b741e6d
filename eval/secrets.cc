#include "eval/secrets.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "eval/bytes.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

constexpr size_t kShortest = 6;
constexpr std::string_view kBearer = "Authorization: Bearer ";

/// Where the parts of an address in a text stand.
struct Address {
  size_t user = 0, host = 0;  ///< the user's name and password begin at `user` and end before "@"; equal: none
  size_t query = 0, end = 0;  ///< the query behind "?"; equal: none
};

Address address_at(const std::string& text, size_t scheme_end) {
  Address out;
  out.end = std::min(text.find_first_of(" \t\r\n\"'<>", scheme_end), text.size());
  const size_t authority_end = std::min(text.find_first_of("/?#", scheme_end), out.end);
  const size_t at = std::string_view(text).substr(0, authority_end).rfind('@');
  out.user = scheme_end;
  out.host = at == std::string::npos || at < scheme_end ? scheme_end : at + 1;
  const size_t mark = text.find('?', authority_end);
  out.query = mark < out.end ? mark + 1 : out.end;
  return out;
}

/// The values of "a=1&b=2", or all of a query without "=".
std::vector<std::string_view> query_parts(std::string_view query) {
  std::vector<std::string_view> out;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    out.push_back(query.substr(0, end));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return out;
}

size_t value_begin(std::string_view part) {
  const size_t equals = part.find('=');
  return equals == std::string_view::npos ? 0 : equals + 1;
}

/// Behind the "://" of the next http address; npos if there is none.
size_t next_scheme(const std::string& text, size_t from) {
  for (size_t at = text.find("://", from); at != std::string::npos; at = text.find("://", at + 3)) {
    const std::string_view before = std::string_view(text).substr(0, at);
    if (before.ends_with("http") || before.ends_with("https")) return at + 3;
  }
  return std::string::npos;
}

}  // namespace

Secrets::Secrets(const std::string& url, const std::vector<std::string>& headers) {
  for (const std::string& header : headers) {
    if (header.starts_with(kBearer)) add(header.substr(kBearer.size()));
  }
  const size_t scheme = next_scheme(url, 0);
  if (scheme == std::string::npos) return;
  const Address a = address_at(url, scheme);
  if (a.host > a.user) {
    const std::string user = url.substr(a.user, a.host - 1 - a.user);
    add(base64_encode(user));
    add(user.substr(user.find(':') + 1));
  }
  for (const std::string_view part : query_parts(std::string_view(url).substr(a.query, a.end - a.query)))
    add(std::string(part.substr(value_begin(part))));
  std::sort(all_.begin(), all_.end(), [](const auto& x, const auto& y) { return x.size() > y.size(); });
}

void Secrets::add(const std::string& secret) {
  if (secret.size() >= kShortest) all_.push_back(secret);
}

std::string Secrets::hide(std::string text) const {
  constexpr std::string_view kShown = "[secret]";
  for (const std::string& secret : all_) {
    for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + kShown.size()))
      text.replace(at, secret.size(), kShown);
  }
  return text;
}

std::string key_in(const std::string& variable) {
  const char* key = std::getenv(variable.c_str());
  return key == nullptr ? "" : key;
}

std::string without_credentials(const std::string& text) {
  std::string out;
  size_t done = 0;
  for (size_t scheme = next_scheme(text, 0); scheme != std::string::npos; scheme = next_scheme(text, done)) {
    const Address a = address_at(text, scheme);
    out += text.substr(done, scheme - done);
    if (a.host > a.user) out += "***@";
    out += text.substr(a.host, a.query - a.host);
    bool first = true;
    for (const std::string_view part : query_parts(std::string_view(text).substr(a.query, a.end - a.query))) {
      if (!first) out += '&';
      first = false;
      out += concat(part.substr(0, value_begin(part)), "***");
    }
    done = a.end;
  }
  return out + text.substr(done);
}

}  // namespace glmv::eval
