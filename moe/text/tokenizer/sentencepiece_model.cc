#include "moe/text/tokenizer/sentencepiece_model.h"

#include <sentencepiece_processor.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace moe::text {
namespace {

// A serialized ModelProto with normalizer_spec (3) with add_dummy_prefix (3)
// false. Protobuf merges it into the model before it, and the later value wins.
constexpr std::string_view kNoDummyPrefix("\x1a\x02\x18\x00", 4);

// Status is the library's own type in older releases, and Abseil's in newer
// ones.
template <typename Status>
bool Succeeded(const Status& status, std::string* error) {
  if (status.ok()) return true;
  *error = status.ToString();
  return false;
}

}  // namespace

struct SentencePieceModel::Library {
  sentencepiece::SentencePieceProcessor processor;
};

SentencePieceModel::SentencePieceModel(std::unique_ptr<Library> library)
    : library_(std::move(library)) {}
SentencePieceModel::~SentencePieceModel() = default;

std::unique_ptr<SentencePieceModel> SentencePieceModel::Load(
    std::string_view serialized, Prefix prefix, std::string* error) {
  std::string proto(serialized);
  if (prefix == Prefix::kNone) proto += kNoDummyPrefix;
  auto library = std::make_unique<Library>();
  try {
    if (!Succeeded(library->processor.LoadFromSerializedProto(proto), error)) {
      return nullptr;
    }
  } catch (const std::exception& exception) {
    *error = exception.what();
    return nullptr;
  }
  return std::unique_ptr<SentencePieceModel>(
      new SentencePieceModel(std::move(library)));
}

int32_t SentencePieceModel::size() const {
  return library_->processor.GetPieceSize();
}
int32_t SentencePieceModel::bos_id() const {
  return library_->processor.bos_id();
}
int32_t SentencePieceModel::eos_id() const {
  return library_->processor.eos_id();
}
int32_t SentencePieceModel::unk_id() const {
  return library_->processor.unk_id();
}

const std::string& SentencePieceModel::PieceOf(int32_t id) const {
  return library_->processor.IdToPiece(id);
}

int32_t SentencePieceModel::IdOf(std::string_view piece) const {
  // The library gives the id of the unknown token for a missing piece.
  const int id = library_->processor.PieceToId(piece);
  return id >= 0 && id < size() && PieceOf(id) == piece ? id : -1;
}

bool SentencePieceModel::IsSpecial(int32_t id) const {
  return library_->processor.IsControl(id) || library_->processor.IsUnknown(id);
}

bool SentencePieceModel::Encode(std::string_view text,
                                std::vector<int32_t>* ids,
                                std::string* error) const {
  return Succeeded(library_->processor.Encode(text, ids), error);
}

bool SentencePieceModel::Decode(const std::vector<int32_t>& ids,
                                std::string* text, std::string* error) const {
  // Newer releases prefer a span, which older ones do not have.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  return Succeeded(library_->processor.Decode(ids, text), error);
#pragma GCC diagnostic pop
}

}  // namespace moe::text
