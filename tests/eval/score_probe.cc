// What tests/eval/*.py ask: one JSON line {"id", "input"} per call on stdin, one line {"result"} or {"error"} back. An
// id is a scoring rule, or "py:<function>" for the functions that stand for Python's.
#include <iostream>
#include <nlohmann/json.hpp>

#include "eval/algorithms.h"
#include "tests/eval/python_functions.h"

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    nlohmann::json out;
    try {
      const nlohmann::json call = nlohmann::json::parse(line);
      const auto& id = call.at("id").get_ref<const std::string&>();
      out["result"] = id.starts_with("py:") ? glmv::call_python_function(id.substr(3), call.at("input"))
                                            : glmv::run_algorithm(id, call.at("input"));
    } catch (const std::exception& e) {
      out["error"] = e.what();
    }
    std::cout << out.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) << '\n';
  }
}
