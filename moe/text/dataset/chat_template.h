// How a conversation is written down as tokens, and which of them are the
// assistant's.
//
//   llama3      BOS, then for each turn
//               <|start_header_id|>ROLE<|end_header_id|>\n\nTEXT<|eot_id|>
//   chatml      for each turn <|im_start|>ROLE\nTEXT<|im_end|>\n
//   none        the turns' texts, "\n" between two of them
//   checkpoint  by the checkpoint's own template in Jinja (rendered_chat.h)
//   llama2, ... by that of a family (chat_families.h)
//
// What follows is of the first three. A text that is rendered is encoded at
// once; the labelled tokens of an assistant's turn are those that the template
// marks, or those of TEXT and of the end-of-turn token behind it
// (span_tokens.h). A checkpoint whose template writes as llama3 or chatml does,
// has that.
//
// A system turn is left out unless it is asked for. llama3 takes the white
// space from both ends of every TEXT, as the chat template that Meta publishes
// with the models does; chatml and none keep texts as they are. chatml and none
// start with a BOS if the tokenizer's post-processor puts one before a text.
//
// Ids are those of Hugging Face's apply_chat_template(tokenize=True), which
// encodes the rendered text at once. Encoding it in parts is the same:
// tokenizers cut a text at its special tokens before they do anything else, so
// that what lies between two of them is encoded by itself. The parts here are
// exactly these stretches, and a template's own special tokens are put in by
// id. (A special token that swallows white space beside it would differ; those
// of these templates do not.)
//
// The labelled tokens of an assistant's turn are those of TEXT and its
// end-of-turn token (<|eot_id|>, <|im_end|>; none has no such token); not the
// header, nor chatml's line break. Where a header and TEXT share a stretch, the
// stretch is encoded whole and cut behind the header's tokens. Should a merge
// reach across (a chatml TEXT that starts with a line break), header and TEXT
// are encoded apart: the tokens that the model sees when it answers, where the
// header is given and TEXT follows.
//
// A TEXT that itself contains "<|eot_id|>" gets that special token, as it would
// with Hugging Face: Tokenizer::Encode has no other way, and other ids than the
// model's own tokenizer gives are of no use. It cannot change what is labelled:
// labels follow the turns of the record, and never look for markers among ids.
// EncodedConversation counts such texts.

#ifndef MOE_TEXT_DATASET_CHAT_TEMPLATE_H_
#define MOE_TEXT_DATASET_CHAT_TEMPLATE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "moe/text/dataset/chat_template_source.h"
#include "moe/text/dataset/dataset_options.pb.h"
#include "moe/text/dataset/record.h"
#include "moe/text/dataset/rendered_chat.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace moe::text {

struct EncodedConversation {
  std::vector<int32_t> input_ids;
  // As many: the token's id, or kIgnoredLabel. Not shifted.
  std::vector<int32_t> labels;
  // Turns whose text itself has special tokens of the template.
  int64_t num_texts_with_special_tokens = 0;
};

class ChatTemplate {
 public:
  // Resolves AUTO by the checkpoint's template, or else by the vocabulary.
  // InvalidArgument if the vocabulary lacks one of the TemplateTokens. The
  // tokenizer must outlive the template.
  static absl::StatusOr<ChatTemplate> Create(
      TokenizeOptions::ChatTemplate kind, bool keep_system,
      const Tokenizer& tokenizer, const ChatTemplateSource& source = {});

  // Never AUTO.
  TokenizeOptions::ChatTemplate kind() const { return kind_; }
  // SHA-256, in hexadecimal, over a template that is rendered and the special
  // tokens that it is given. Empty for the others.
  const std::string& digest() const { return digest_; }

  // Thread-safe. Errors of Tokenizer::Encode; InvalidArgument, with the turn,
  // for a call of a tool and its answer, for which there is no rule; of a
  // template that is rendered, those of ChatRenderer::Render. The error of
  // every conversation where there is no template.
  absl::StatusOr<EncodedConversation> Encode(
      const Conversation& conversation) const;

 private:
  // Those that a template here has a rule for: not of tools.
  static constexpr size_t kNumRoles = 3;

  // What stands before a text in the stretch that is encoded at once.
  struct Header {
    std::string text;  // "assistant\n"; "\n\n" behind llama3's role.
    std::vector<int32_t> ids;
  };

  ChatTemplate(TokenizeOptions::ChatTemplate kind, bool keep_system,
               const Tokenizer& tokenizer)
      : kind_(kind), keep_system_(keep_system), tokenizer_(&tokenizer) {}

  absl::Status ChooseTemplate(const ChatTemplateSource& source);
  // LLAMA3 or CHATML where the checkpoint's template writes as that does.
  absl::StatusOr<TokenizeOptions::ChatTemplate> RecogniseKind(
      const ChatTemplateSource& source, const ChatRenderer& renderer) const;
  // Whether the tokenizer puts a BOS before a text.
  absl::StatusOr<bool> PutsBos() const;
  absl::StatusOr<EncodedConversation> EncodeRendered(
      const Conversation& conversation) const;
  absl::Status FindTokens();
  absl::Status EncodeHeaders();
  absl::Status FindBos();
  absl::Status CheckTurns(const Conversation& conversation) const;
  absl::Status AppendTurn(const Turn& turn, EncodedConversation& out) const;
  absl::StatusOr<std::vector<int32_t>> EncodeText(const Turn& turn,
                                                  absl::string_view text) const;

  TokenizeOptions::ChatTemplate kind_;
  bool keep_system_;
  const Tokenizer* tokenizer_;
  std::optional<ChatRenderer> renderer_;
  absl::Status refusal_;  // The error of every conversation.
  std::string eos_token_;
  std::string digest_;
  std::vector<int32_t> special_ids_;  // All that a template puts in.
  std::vector<int32_t> start_ids_;    // BOS, or nothing.
  std::optional<int32_t> end_of_turn_;
  std::vector<int32_t> after_turn_;  // chatml's, and none's, line break.
  // By role. What stands before the stretch of the text: special tokens, and
  // llama3's role.
  std::vector<int32_t> opening_[kNumRoles];
  Header header_[kNumRoles];
};

}  // namespace moe::text

#endif  // MOE_TEXT_DATASET_CHAT_TEMPLATE_H_
