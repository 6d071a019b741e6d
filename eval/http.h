// One HTTP POST, and what is tried again.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace glmv::eval {

struct HttpReply {
  long status = 0;           ///< 0: no connection, or it broke
  std::string body, error;   ///< of the transport
  double retry_after_s = 0;  ///< what the server asked for, 0 = nothing
};

/// Sends `body` as JSON. Never throws for what the network does.
HttpReply http_post(const std::string& url, const std::string& body, const std::vector<std::string>& headers,
                    double timeout_s);

/// Lets through at most so many a second, over all threads; 0 = any number.
class RateLimit {
 public:
  explicit RateLimit(double per_second) : per_second_(per_second) {}
  void wait();

 private:
  double per_second_;
  int64_t next_ns_ = 0;
  std::mutex mutex_;
};

struct RetryOptions {
  int tries = 6;
  double first_wait_s = 0.5, longest_wait_s = 30;  ///< doubled after each failure
};

/// Posts until `usable` says yes: no connection, 408, 429, 5xx and a reply that is not usable are tried again, anything
/// else is not. Every try waits for the rate. `why` is what the last failure was.
HttpReply post_with_retry(const std::string& url, const std::string& body, const std::vector<std::string>& headers,
                          double timeout_s, const RetryOptions& options, RateLimit& rate,
                          const std::function<bool(const std::string& body, std::string& why)>& usable,
                          std::string& why, int& tries);

}  // namespace glmv::eval
