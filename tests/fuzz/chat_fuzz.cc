// Any bytes are a conversation or an Error, and a template or an Error. A conversation that is accepted is rendered by
// every template or refused by it, and no part of it is lost.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "data/jinja_outline.h"
#include "data/messages.h"
#include "reference/core/error.h"

namespace {

template <class F>
void no_other_error(F f) {
  try {
    f();
  } catch (const glmv::Error& error) {
    if (error.code() != glmv::ExitCode::bad_input && error.code() != glmv::ExitCode::usage) std::abort();
  }
}

void render(const glmv::Conversation& c, const glmv::ChatOptions& options) {
  const std::string text = glmv::render_chat(c.messages, options);
  for (const glmv::Message& message : c.messages) {
    if (message.role != "user") continue;
    for (const glmv::ContentPart& part : message.content) {
      if (text.find(part.text) == std::string::npos) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using glmv::ChatTemplate;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  no_other_error([&] { glmv::jinja_outline(bytes); });
  no_other_error([&] {
    const glmv::Conversation c = glmv::parse_messages(bytes, "fuzz");
    for (const ChatTemplate t : {ChatTemplate::glm45v, ChatTemplate::glm46v, ChatTemplate::glm41v}) {
      for (const bool think : {true, false}) no_other_error([&] { render(c, {true, think, t, c.tools}); });
    }
  });
  return 0;
}
