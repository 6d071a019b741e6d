#include "eval/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>

#include "eval/secrets.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

constexpr size_t kMostReplyBytes = 256u << 20;

size_t collect(char* data, size_t size, size_t count, void* user) {
  auto& out = *static_cast<std::string*>(user);
  if (out.size() + size * count > kMostReplyBytes) return 0;
  out.append(data, size * count);
  return size * count;
}

size_t look_at_header(char* data, size_t size, size_t count, void* user) {
  const std::string_view line(data, size * count);
  constexpr std::string_view kName = "retry-after:";
  bool same = line.size() > kName.size();
  for (size_t i = 0; same && i < kName.size(); ++i) same = (line[i] | 0x20) == (kName[i] | 0x20);
  if (same) *static_cast<double*>(user) = std::max(0.0, std::atof(std::string(line.substr(kName.size())).c_str()));
  return size * count;
}

void start_curl_once() {
  static std::once_flag once;
  std::call_once(once, [] { ::curl_global_init(CURL_GLOBAL_DEFAULT); });
}

/// "Failed to connect to h port 1 after 3 ms: ..." -> the same without the time, so that equal failures read alike.
std::string without_time(std::string reason) {
  const size_t from = reason.find(" after "), end = reason.find(" ms", from == std::string::npos ? 0 : from);
  if (from != std::string::npos && end != std::string::npos && reason.find_first_not_of("0123456789", from + 7) == end)
    reason.erase(from, end + 3 - from);
  return reason;
}

void sleep_for(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

bool is_passing(long status) { return status == 0 || status == 408 || status == 429 || status >= 500; }

}  // namespace

HttpReply http_post(const std::string& url, const std::string& body, const std::vector<std::string>& headers,
                    double timeout_s) {
  start_curl_once();
  HttpReply out;
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(::curl_easy_init(), ::curl_easy_cleanup);
  if (!curl) {
    out.error = "libcurl cannot be started";
    return out;
  }
  curl_slist* list = ::curl_slist_append(nullptr, "Content-Type: application/json");
  list = ::curl_slist_append(list, "Expect:");  // servers that do not know it cost a second per request
  for (const std::string& header : headers) list = ::curl_slist_append(list, header.c_str());
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> owned(list, ::curl_slist_free_all);
  char reason[CURL_ERROR_SIZE] = "";
  CURL* c = curl.get();
  ::curl_easy_setopt(c, CURLOPT_URL, url.c_str());
  ::curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
  ::curl_easy_setopt(c, CURLOPT_POSTFIELDS, body.data());
  ::curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  ::curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect);
  ::curl_easy_setopt(c, CURLOPT_WRITEDATA, &out.body);
  ::curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, look_at_header);
  ::curl_easy_setopt(c, CURLOPT_HEADERDATA, &out.retry_after_s);
  ::curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_s * 1000));
  ::curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(c, CURLOPT_ERRORBUFFER, reason);
  const CURLcode code = ::curl_easy_perform(c);
  if (code == CURLE_OK) {
    ::curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &out.status);
  } else {
    out.error = without_time(reason[0] != '\0' ? reason : ::curl_easy_strerror(code));
  }
  return out;
}

HttpReply post_with_retry(const std::string& url, const std::string& body, const std::vector<std::string>& headers,
                          double timeout_s, const RetryOptions& options, RateLimit& rate,
                          const std::function<bool(const std::string&, std::string&)>& usable, std::string& why,
                          int& tries) {
  const Secrets secrets(url, headers);
  double wait = options.first_wait_s;
  HttpReply reply;
  for (tries = 1;; ++tries) {
    rate.wait();
    reply = http_post(url, body, headers, timeout_s);
    reply.body = secrets.hide(std::move(reply.body));
    reply.error = secrets.hide(std::move(reply.error));
    why = reply.status == 0 ? reply.error : concat("HTTP ", reply.status, ": ", reply.body.substr(0, 200));
    if (reply.status == 200 && usable(reply.body, why)) return reply;
    const bool again = reply.status == 200 || is_passing(reply.status);
    if (!again || tries >= options.tries) {
      if (reply.status == 200) reply.status = 0;
      return reply;
    }
    sleep_for(std::min(options.longest_wait_s, std::max(wait, reply.retry_after_s)));
    wait *= 2;
  }
}

void RateLimit::wait() {
  if (per_second_ <= 0) return;
  int64_t until = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
    until = std::max(now, next_ns_);
    next_ns_ = until + static_cast<int64_t>(1e9 / per_second_);
  }
  std::this_thread::sleep_until(std::chrono::steady_clock::time_point(std::chrono::steady_clock::duration(until)));
}

}  // namespace glmv::eval
