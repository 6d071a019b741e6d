#include "reference/all_cases.h"

#include "reference/core/error.h"

namespace glmv {

const Cases& all_cases() {
  static const Cases all = [] {
    Cases list;
    for (const Cases& of_op : {vision_position_cases(), rope_table_cases(), embedding_cases(), norm_cases(),
                               linear_cases(), elementwise_cases(), mrope_cases(), kv_write_cases(), attention_cases(),
                               moe_route_cases(), moe_experts_cases(), sample_cases(), advance_cases()}) {
      list.insert(list.end(), of_op.begin(), of_op.end());
    }
    return list;
  }();
  return all;
}

const Case& find_case(std::string_view name) {
  for (const Case& c : all_cases()) {
    if (c.name == name) return c;
  }
  usage_error("no case is called ", name, "; glmv cases --list prints them all");
}

}  // namespace glmv
