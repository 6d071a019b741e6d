// A conversation from a JSON file, in the shapes that chat templates and chat servers take.
#pragma once

#include <string>
#include <vector>

#include "data/chat.h"
#include "data/settings.h"

namespace glmv {

struct Conversation {
  std::vector<Message> messages;
  std::vector<std::string> images;   ///< files of the image parts, in order
  std::vector<std::string> videos;   ///< video files or folders of frames of the video parts, in order
  std::vector<std::string> tools{};  ///< declarations, as ChatOptions takes them
};

/// Reads a list of {"role", "content"}, or an object that holds one as "messages". A content is a string, or a list of
/// parts: {"type": "text", "text"}, {"type": "image", "image" | "url" | "path"}, {"type": "image_url", "image_url":
/// {"url"}}, {"type": "video", "video" | "url" | "path"}. An assistant's turn may have "reasoning_content",
/// "tool_calls"
/// ({"function": {"name", "arguments": an object}}) and "metadata"; beside "messages" there may be "tools". A tool's
/// content may also be a list of strings or of {"output": string}. Media are local: a path relative to the JSON file,
/// an absolute one, or a file:// URL, percent-encoded as URLs are. Errors: exit code 3 for an unreadable or malformed
/// file, naming the message and part; 2 for roles, parts and URLs that are sound but not understood here (http).
Conversation read_messages(const std::string& path);

/// The same from a text; `path` names it in messages, and media are relative to its folder.
Conversation parse_messages(const std::string& json_text, const std::string& path);

/// One line of a file of prompts.
struct NamedConversation {
  std::string id;  ///< as given, or the number of the line, from 1
  Conversation conversation;
  GenerationSettings settings;
};

/// Reads JSON lines: each an object with "messages" as above, or with a "prompt" (a text that a user says); and, if
/// wanted, "tools", an "id" (a string) and settings (data/settings.h) that replace the defaults. Empty lines are
/// skipped. Errors as above and for an id that appears twice; they name the line.
std::vector<NamedConversation> read_prompts(const std::string& path, const GenerationSettings& defaults = {});

}  // namespace glmv
