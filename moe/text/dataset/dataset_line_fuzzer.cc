// Any bytes as the lines of a dataset: each is parsed and encoded or refused,
// never a crash, and what comes out is a sequence as its users expect it.

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "moe/base/check.h"
#include "moe/base/ignored_label.h"
#include "moe/text/dataset/chat_template.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/encode_record.h"
#include "moe/text/dataset/record.h"
#include "moe/text/dataset/testing/byte_tokenizer.h"

namespace {

constexpr int64_t kMaxLength = 1000;

void CheckSequence(const moe::text::EncodedRecord& encoded,
                   int64_t vocab_size) {
  const size_t size = encoded.input_ids.size();
  MOE_CHECK(size > 0 && size <= size_t{kMaxLength});
  MOE_CHECK(encoded.labels.size() == size);
  for (size_t i = 0; i < size; ++i) {
    const int32_t id = encoded.input_ids[i];
    MOE_CHECK(id >= 0 && id < vocab_size);
    const int32_t label = encoded.labels[i];
    MOE_CHECK(label == moe::base::kIgnoredLabel ||
              (label >= 0 && label < vocab_size));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto& tokenizer = *new moe::text::testing::ByteTokenizer(
      {"<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>",
       "<|eot_id|>"},
      "<|im_start|>", false);
  static const auto& llama3 = *new moe::text::ChatTemplate(
      moe::text::ChatTemplate::Create(moe::TokenizeOptions::LLAMA3, true,
                                      tokenizer)
          .value());
  static const auto& chatml = *new moe::text::ChatTemplate(
      moe::text::ChatTemplate::Create(moe::TokenizeOptions::CHATML, false,
                                      tokenizer)
          .value());
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const absl::StatusOr<moe::text::Record> record =
        moe::text::ParseRecord(line, tokenizer.vocab_size());
    if (!record.ok()) continue;
    for (const moe::text::ChatTemplate* chat : {&llama3, &chatml}) {
      const absl::StatusOr<moe::text::EncodedRecord> encoded =
          moe::text::EncodeRecord({&tokenizer, chat, kMaxLength}, *record);
      if (encoded.ok()) CheckSequence(*encoded, tokenizer.vocab_size());
    }
  }
  return 0;
}
