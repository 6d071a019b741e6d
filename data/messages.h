// A conversation from a JSON file, in the shapes that chat templates and chat servers take.
#pragma once

#include <string>
#include <vector>

#include "data/chat.h"

namespace glmv {

struct Conversation {
  std::vector<Message> messages;
  std::vector<std::string> images;  ///< files of the image parts, in order
  std::vector<std::string> videos;  ///< video files or folders of frames of the video parts, in order
};

/// Reads a list of {"role", "content"}, or an object that holds one as "messages". A content is a string, or a list of
/// parts: {"type": "text", "text"}, {"type": "image", "image" | "url" | "path"}, {"type": "image_url", "image_url":
/// {"url"}}, {"type": "video", "video" | "url" | "path"}. An assistant's turn may have "reasoning_content". Media are
/// local: a path relative to the JSON file, an absolute one, or a file:// URL, percent-encoded as URLs are.
/// Errors: exit code 3 for an unreadable or malformed file, naming the message and part; 2 for roles, parts and URLs
/// that are sound but not understood here (tools, http).
Conversation read_messages(const std::string& path);

/// One line of a file of prompts.
struct NamedConversation {
  std::string id;  ///< as given, or the number of the line, from 1
  Conversation conversation;
};

/// Reads JSON lines: each an object with "messages" as above, or with a "prompt" (a text that a user says); and, if
/// wanted, an "id" (a string). Empty lines are skipped. Errors as above and for an id that appears twice; they name the
/// line.
std::vector<NamedConversation> read_prompts(const std::string& path);

}  // namespace glmv
