// A user's shared library with the interface of bench/glmv_kernel.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "reference/core/cases.h"

namespace glmv::bench {

class UserKernel {
 public:
  /// Error (exit code 3) for what is no library or lacks a symbol, (2) for one of another version or device.
  explicit UserKernel(const std::string& path);
  ~UserKernel();
  UserKernel(const UserKernel&) = delete;
  UserKernel& operator=(const UserKernel&) = delete;

  /// The file's name without folder and ending: what its rows are called.
  const std::string& name() const { return name_; }
  const std::string& path() const { return path_; }
  const std::vector<std::string>& ops() const { return ops_; }
  bool has(const std::string& op) const;
  Space space() const { return space_; }

  /// The op on the tensors of a run, which must outlive the call. A call it refuses throws Refused.
  CaseCall bind(const std::string& op, const CaseRun& run) const;

  /// It does not take this case.
  struct Refused {
    int code;
  };

 private:
  struct Symbols;
  std::string path_, name_;
  void* library_ = nullptr;
  std::vector<std::string> ops_;
  Space space_ = Space::host;
  std::unique_ptr<Symbols> symbols_;
};

/// While it lives, what ends the program (a crash, an abort, exit()) says first whose kernel ran and when: "in CASE".
class LastWords {
 public:
  LastWords(const std::string& libraries, const std::string& when);
  ~LastWords();
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;

 private:
  struct Before;
  std::unique_ptr<Before> before_;
};

}  // namespace glmv::bench
