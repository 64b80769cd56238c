#include "moe/text/dataset/encode_record.h"

#include <cstdint>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "moe/base/status_macros.h"
#include "moe/text/dataset/chat_template.h"
#include "moe/text/dataset/record.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {
namespace {

absl::StatusOr<EncodedRecord> EncodeWhole(const RecordEncoder& encoder,
                                          Record record) {
  EncodedRecord out;
  if (IsEmpty(record)) return out;
  if (auto* tokens = std::get_if<TokenIds>(&record)) {
    out.input_ids = std::move(tokens->input_ids);
    out.labels = std::move(tokens->labels);
    return out;
  }
  if (encoder.tokenizer == nullptr || encoder.chat_template == nullptr) {
    return absl::InvalidArgumentError(
        "expected \"input_ids\", as there is no tokenizer, found text");
  }
  if (const auto* text = std::get_if<PlainText>(&record)) {
    MOE_ASSIGN_OR_RETURN(out.input_ids,
                         encoder.tokenizer->Encode(text->text, true));
    out.labels = out.input_ids;
    return out;
  }
  MOE_ASSIGN_OR_RETURN(
      EncodedConversation encoded,
      encoder.chat_template->Encode(std::get<Conversation>(record)));
  out.input_ids = std::move(encoded.input_ids);
  out.labels = std::move(encoded.labels);
  out.num_texts_with_special_tokens = encoded.num_texts_with_special_tokens;
  return out;
}

}  // namespace

absl::StatusOr<EncodedRecord> EncodeRecord(const RecordEncoder& encoder,
                                           Record record) {
  MOE_ASSIGN_OR_RETURN(EncodedRecord out,
                       EncodeWhole(encoder, std::move(record)));
  const int64_t size = static_cast<int64_t>(out.input_ids.size());
  if (size > encoder.model_max_length) {
    out.num_truncated_tokens = size - encoder.model_max_length;
    out.input_ids.resize(static_cast<size_t>(encoder.model_max_length));
    out.labels.resize(static_cast<size_t>(encoder.model_max_length));
  }
  return out;
}

}  // namespace moe::text
