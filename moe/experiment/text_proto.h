// Protocol Buffers as text files that people write: specs and locks.

#ifndef MOE_EXPERIMENT_TEXT_PROTO_H_
#define MOE_EXPERIMENT_TEXT_PROTO_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace moe::experiment {

// Sets `message` to what the text says. InvalidArgument, with `path`, line and
// column of the first mistake: a field that the message does not have, one that
// is given twice, a value of another type, a text that ends too early.
absl::Status ParseTextProto(absl::string_view text, absl::string_view path,
                            google::protobuf::Message& message);

// ParseTextProto of a file. Errors of reading too. Refuses a file over 16 MiB,
// as no person wrote it.
template <typename Message>
absl::StatusOr<Message> ReadTextProto(absl::string_view path);

// The text that gives the same message back, a field a line. A double is
// written with as many digits as it takes to read it back.
std::string FormatTextProto(const google::protobuf::Message& message);

// FormatTextProto under lines of comment, written whole or not at all, over a
// file that reads as a message of the same type. FailedPrecondition, and
// nothing written, for any other file.
absl::Status WriteTextProto(const google::protobuf::Message& message,
                            absl::string_view comment, absl::string_view path);

// OK if nothing is at `path`, or a file that reads as a message of the type of
// `message`, so that it may be replaced or removed.
absl::Status CheckIsTextProto(const google::protobuf::Message& message,
                              absl::string_view path);

// Removes such a file, if it is there.
template <typename Message>
absl::Status RemoveTextProto(absl::string_view path);

// ---- Implementation ----

namespace internal {
absl::StatusOr<std::string> ReadText(absl::string_view path);
absl::Status RemoveFile(absl::string_view path);
}  // namespace internal

template <typename Message>
absl::StatusOr<Message> ReadTextProto(absl::string_view path) {
  absl::StatusOr<std::string> text = internal::ReadText(path);
  if (!text.ok()) return text.status();
  Message message;
  if (absl::Status status = ParseTextProto(*text, path, message);
      !status.ok()) {
    return status;
  }
  return message;
}

template <typename Message>
absl::Status RemoveTextProto(absl::string_view path) {
  const absl::Status status = CheckIsTextProto(Message(), path);
  return status.ok() ? internal::RemoveFile(path) : status;
}

}  // namespace moe::experiment

#endif  // MOE_EXPERIMENT_TEXT_PROTO_H_
