// Which launches of the kernel sources a test has met. Every kernel is launched somewhere, so a source whose every
// launch was met has had every kernel run.
#pragma once

#include <string>
#include <vector>

namespace glmv {

/// Watches the emulator from construction to destruction; one at a time.
class LaunchSites {
 public:
  LaunchSites();
  ~LaunchSites();
  LaunchSites(const LaunchSites&) = delete;
  LaunchSites& operator=(const LaunchSites&) = delete;

  /// "cuda/add.cu:21" for every launch written in cuda/ and cuda/naive/.
  static std::vector<std::string> written();
  /// Those of them that nothing was launched from.
  std::vector<std::string> missed() const;
};

}  // namespace glmv
