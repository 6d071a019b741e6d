// Device memory of a test, and its values before and after.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "simt/device_memory.h"

namespace glmv::simt {

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : count_(count), data_(static_cast<T*>(device_malloc(count * sizeof(T)))) {}
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    memcpy(static_cast<void*>(data_), values.data(), count_ * sizeof(T));
  }
  ~DeviceArray() { device_free(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  std::vector<T> values() const { return std::vector<T>(data_, data_ + count_); }

 private:
  size_t count_;
  T* data_;
};

/// `run` returned null, or the test fails with the text.
inline void expect_ran(const char* error) { ASSERT_EQ(error, nullptr) << error; }

}  // namespace glmv::simt
