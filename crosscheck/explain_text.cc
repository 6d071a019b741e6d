#include "crosscheck/explain_text.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace glmv {
namespace {

using Json = nlohmann::ordered_json;

std::string number(double x) { return std::isfinite(x) ? fmt::format("{:.1e}", x) : "nothing comparable"; }

std::string mistake_lines(const Explanation& e) {
  std::string out;
  for (const std::string& name : e.mistakes) {
    const Mistake& m = find_mistake(name);
    out += fmt::format("    {}: {}\n      reference: {} ({})\n", m.name, m.description, m.reference, m.source);
  }
  return out;
}

std::string found_lines(const Explanations& all, const Explanation& e) {
  std::string out = fmt::format("  known mistake: {} turns it into noise: {} left, {} without it, floor {}\n",
                                name_of(e), number(e.residual), number(all.unexplained), number(all.floor));
  out += mistake_lines(e);
  if (e.beneath.empty()) return out + "    with it built in, nothing else departs\n";
  std::string assume;
  for (const std::string& name : e.mistakes) assume += " --assume " + name;
  return out + fmt::format("    with it built in, {} departs next: look beneath it with{}\n", e.beneath, assume);
}

std::string joined(const std::vector<Explanation>& all) {
  std::string out;
  for (const Explanation& e : all) out += (out.empty() ? "" : ", ") + name_of(e);
  return out;
}

Json json_of(const std::vector<Explanation>& all) {
  Json out = Json::array();
  for (const Explanation& e : all) {
    Json j = {{"mistakes", e.mistakes}, {"residual", std::isfinite(e.residual) ? Json(e.residual) : Json()}};
    j["next_departure"] = e.beneath.empty() ? Json() : Json(e.beneath);
    out.push_back(std::move(j));
  }
  return out;
}

}  // namespace

std::string explanations_text(const Explanations& e, int stage) {
  std::string out;
  for (const Explanation& found : e.found) out += found_lines(e, found);
  if (e.found.size() > 1) out += "  these are equal: this model and trace cannot tell them apart\n";
  if (!e.shorter.empty())
    out += fmt::format("  {} would explain this point, but not as much of what follows\n", joined(e.shorter));
  if (e.found.empty() && e.tried > 0)
    out +=
        fmt::format("  no mistake of the catalogue turns it into noise ({} without one; --list-mistakes prints them)\n",
                    number(e.unexplained));
  out += fmt::format("  {} mistakes tried at stage {}", e.tried, stage);
  if (e.pairs > 0) out += fmt::format(", {} pairs of the nearest", e.pairs);
  if (!e.closest.empty())
    out += fmt::format("; next best {}, {}", name_of(e.closest[0]), number(e.closest[0].residual));
  return out + fmt::format(" ({})\n", e.measure);
}

std::string explanations_json(const Explanations& e) {
  const auto finite = [](double x) { return std::isfinite(x) ? Json(x) : Json(); };
  return Json{{"measure", e.measure},
              {"unexplained", finite(e.unexplained)},
              {"floor", finite(e.floor)},
              {"found", json_of(e.found)},
              {"found_but_depart_sooner", json_of(e.shorter)},
              {"next_best", e.closest.empty() ? Json() : json_of(e.closest)[0]},
              {"tried", e.tried},
              {"pairs_tried", e.pairs}}
      .dump();
}

std::string router_text(const std::vector<RouterRow>& rows) {
  if (rows.empty()) return "";
  std::string out = fmt::format("\n{:<18} {:>7} {:>7} {:>14} {:>7}  {:>15} {:>12}\n", "router", "tokens", "equal",
                                "within margin", "beyond", "smallest margin", "uncertain by");
  for (const RouterRow& r : rows) {
    const RouterAgreement& a = r.agreement;
    const std::string name =
        r.step == 0 ? fmt::format("layer {}", r.layer) : fmt::format("step {} layer {}", r.step, r.layer);
    out += fmt::format("{:<18} {:>7} {:>7} {:>14} {:>7}  {:>15} {:>12}{}\n", name, a.tokens, a.equal, a.flipped,
                       a.beyond, a.tokens == 0 ? "" : number(a.smallest_margin), number(a.uncertain),
                       r.behind && a.beyond > 0 ? "  behind the first departure" : "");
  }
  return out;
}

std::string router_json(const std::vector<RouterRow>& rows) {
  Json out = Json::array();
  for (const RouterRow& r : rows) {
    const RouterAgreement& a = r.agreement;
    out.push_back({{"step", r.step},
                   {"layer", r.layer},
                   {"tokens", a.tokens},
                   {"equal", a.equal},
                   {"flipped_within_margin", a.flipped},
                   {"flipped_beyond_margin", a.beyond},
                   {"smallest_margin", a.tokens == 0 ? Json() : Json(a.smallest_margin)},
                   {"score_uncertainty", a.uncertain},
                   {"behind_first_departure", r.behind}});
  }
  return out.dump();
}

}  // namespace glmv
