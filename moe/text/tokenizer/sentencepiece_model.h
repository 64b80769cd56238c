// An interface to the SentencePiece library that uses only the standard
// library.
//
// SentencePiece's header declares its own absl::string_view, which clashes with
// Abseil's: one file cannot include both. So this header and its .cc file do
// not include Abseil.

#ifndef MOE_TEXT_TOKENIZER_SENTENCEPIECE_MODEL_H_
#define MOE_TEXT_TOKENIZER_SENTENCEPIECE_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace moe::text {

// Immutable; may be used by several threads at once.
class SentencePieceModel {
 public:
  enum class Prefix {
    kAsModelSays,  // A space before the text, if the model adds one.
    kNone,
  };

  // The model of a serialized ModelProto, the content of a tokenizer.model.
  // Null, with the library's message in `error`, if the bytes are not one.
  static std::unique_ptr<SentencePieceModel> Load(std::string_view serialized,
                                                  Prefix prefix,
                                                  std::string* error);
  ~SentencePieceModel();

  int32_t size() const;
  // -1 if the model has none.
  int32_t bos_id() const;
  int32_t eos_id() const;
  int32_t unk_id() const;
  const std::string& PieceOf(int32_t id) const;
  // -1 if there is no such piece.
  int32_t IdOf(std::string_view piece) const;
  // Whether the piece stands for no text: a control symbol or the unknown
  // token.
  bool IsSpecial(int32_t id) const;

  // False, with the library's message in `error`, if it fails.
  bool Encode(std::string_view text, std::vector<int32_t>* ids,
              std::string* error) const;
  bool Decode(const std::vector<int32_t>& ids, std::string* text,
              std::string* error) const;

 private:
  struct Library;
  explicit SentencePieceModel(std::unique_ptr<Library> library);
  std::unique_ptr<Library> library_;
};

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_SENTENCEPIECE_MODEL_H_
