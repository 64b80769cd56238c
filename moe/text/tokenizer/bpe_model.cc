#include "moe/text/tokenizer/bpe_model.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/byte_alphabet.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text {
namespace {

// Up to this number of symbols, a search for the first merge after each join is
// faster than a heap.
constexpr size_t kFewSymbols = 48;

// About sixteen times the largest vocabulary in use; the tables by id take at
// most 160 MiB.
constexpr int32_t kMaxBpeId = (1 << 22) - 1;

constexpr int32_t kNone = -1;
constexpr int32_t kJoined = -2;

uint64_t PairKey(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 |
         static_cast<uint32_t>(right);
}

// For std::push_heap, whose top is the greatest.
bool ComesLater(const BpeScratch::Candidate& a,
                const BpeScratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

absl::Status NotInVocabulary(absl::string_view what, absl::string_view token) {
  return absl::InvalidArgumentError(absl::StrCat(
      what, ": expected a token of the vocabulary, found \"", token, "\""));
}

}  // namespace

BpeModel::BpeModel(const BpeSpec& spec)
    : fuse_unk_(spec.fuse_unk),
      byte_fallback_(spec.byte_fallback),
      ignore_merges_(spec.ignore_merges),
      words_are_bytes_(spec.words_are_bytes) {}

absl::StatusOr<BpeModel> BpeModel::Create(const BpeSpec& spec) {
  BpeModel model(spec);
  MOE_RETURN_IF_ERROR(model.AddVocab(spec.vocab));
  if (spec.unk_token.has_value()) {
    model.unk_id_ = model.TokenToId(*spec.unk_token);
    if (!model.unk_id_.has_value()) {
      return NotInVocabulary("unk_token", *spec.unk_token);
    }
  }
  MOE_RETURN_IF_ERROR(model.AddMerges(spec.merges));
  model.FillStarts();
  return model;
}

absl::Status BpeModel::AddVocab(
    const std::vector<std::pair<std::string, int32_t>>& vocab) {
  for (const auto& [token, id] : vocab) {
    if (id < 0 || id > kMaxBpeId) {
      return absl::InvalidArgumentError(
          absl::StrCat("the token \"", token, "\": expected an id from 0 to ",
                       kMaxBpeId, ", found ", id));
    }
    const auto index = static_cast<size_t>(id);
    if (tokens_.size() <= index) tokens_.resize(index + 1);
    if (tokens_[index].has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the token \"", token,
                       "\": expected an id of its own, "
                       "found ",
                       id, ", the id of \"", *tokens_[index], "\""));
    }
    if (!ids_.emplace(token, id).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the token \"", token, "\": expected once, found twice"));
    }
    tokens_[index] = token;
    if (!words_are_bytes_) continue;
    std::optional<std::string> bytes = FromByteAlphabet(token);
    if (bytes.has_value()) byte_words_.emplace(*std::move(bytes), id);
  }
  return absl::OkStatus();
}

absl::Status BpeModel::AddMerges(
    const std::vector<std::pair<std::string, std::string>>& merges) {
  merges_.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const std::string what = absl::StrCat("merges[", rank, "]");
    const std::string joined = absl::StrCat(left, right);
    for (const std::string* token : {&left, &right, &joined}) {
      if (!ids_.contains(*token)) return NotInVocabulary(what, *token);
    }
    const Merge merge = {static_cast<int32_t>(rank), ids_.at(joined)};
    if (!merges_.emplace(PairKey(ids_.at(left), ids_.at(right)), merge)
             .second) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, ": expected another pair, found \"", left,
                       "\" and \"", right, "\" again"));
    }
  }
  return absl::OkStatus();
}

void BpeModel::FillStarts() {
  for (size_t i = 0; i < starts_.size(); ++i) {
    std::string character;
    AppendUtf8(words_are_bytes_ ? CharacterOfByte(static_cast<uint8_t>(i))
                                : static_cast<char32_t>(i),
               &character);
    starts_[i] = StartOf(character);
  }
}

BpeModel::Start BpeModel::StartOf(absl::string_view character) const {
  Start start = {{}, 0, false};
  if (const std::optional<int32_t> id = TokenToId(character)) {
    start.ids[0] = *id;
    start.num_ids = 1;
    start.known = true;
    return start;
  }
  if (!byte_fallback_) return start;
  for (const char c : character) {
    const std::optional<int32_t> id =
        TokenToId(absl::StrFormat("<0x%02X>", static_cast<uint8_t>(c)));
    // All of a character's bytes, or none.
    if (!id.has_value()) return {{}, 0, false};
    start.ids[static_cast<size_t>(start.num_ids++)] = *id;
  }
  return start;
}

void BpeModel::AppendStarts(absl::string_view word,
                            std::vector<int32_t>* ids) const {
  // The id of an unknown character follows when its run ends. As in the
  // tokenizers package, it comes after the bytes of characters in between.
  bool pending_unk = false;
  while (!word.empty()) {
    const auto byte = static_cast<uint8_t>(word[0]);
    Start start;
    if (words_are_bytes_ || byte < 0x80) {
      start = starts_[byte];
      word.remove_prefix(1);
    } else {
      const size_t num_bytes = FirstCodePoint(word).num_bytes;
      start = StartOf(word.substr(0, num_bytes));
      word.remove_prefix(num_bytes);
    }
    if (start.num_ids == 0) {
      if (!unk_id_.has_value()) continue;
      if (pending_unk && !fuse_unk_) ids->push_back(*unk_id_);
      pending_unk = true;
      continue;
    }
    if (start.known && pending_unk) {
      ids->push_back(*unk_id_);
      pending_unk = false;
    }
    ids->insert(ids->end(), start.ids.begin(),
                start.ids.begin() + start.num_ids);
  }
  if (pending_unk) ids->push_back(*unk_id_);
}

const BpeModel::Merge* BpeModel::FindMerge(int32_t left, int32_t right) const {
  const auto found = merges_.find(PairKey(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

// Keeps the merge of each pair beside the ids. After a join, only the two pairs
// at its place need a new look-up.
void BpeModel::MergeFew(std::vector<int32_t>* ids) const {
  constexpr Merge kNoMerge = {std::numeric_limits<int32_t>::max(), kNone};
  std::array<Merge, kFewSymbols> pairs;
  size_t size = ids->size();
  const auto pair_at = [&](size_t i) {
    if (i + 1 >= size) return kNoMerge;
    const Merge* const merge = FindMerge((*ids)[i], (*ids)[i + 1]);
    return merge == nullptr ? kNoMerge : *merge;
  };
  for (size_t i = 0; i < size; ++i) pairs[i] = pair_at(i);
  while (size > 1) {
    size_t first = 0;
    for (size_t i = 1; i + 1 < size; ++i) {
      if (pairs[i].rank < pairs[first].rank) first = i;
    }
    if (pairs[first].new_id == kNone) break;
    (*ids)[first] = pairs[first].new_id;
    for (size_t i = first + 1; i + 1 < size; ++i) {
      (*ids)[i] = (*ids)[i + 1];
      pairs[i] = pairs[i + 1];
    }
    --size;
    pairs[first] = pair_at(first);
    if (first > 0) pairs[first - 1] = pair_at(first - 1);
  }
  ids->resize(size);
}

void BpeModel::PushCandidate(BpeScratch& scratch, int32_t left) const {
  if (left < 0) return;
  const auto& symbol = scratch.symbols[static_cast<size_t>(left)];
  if (symbol.next < 0) return;
  const auto& right = scratch.symbols[static_cast<size_t>(symbol.next)];
  const Merge* const merge = FindMerge(symbol.id, right.id);
  if (merge == nullptr) return;
  scratch.heap.push_back({merge->rank, left, merge->new_id});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), ComesLater);
}

void BpeModel::Join(BpeScratch& scratch, int32_t position,
                    int32_t new_id) const {
  auto& left = scratch.symbols[static_cast<size_t>(position)];
  auto& right = scratch.symbols[static_cast<size_t>(left.next)];
  left.id = new_id;
  left.next = right.next;
  if (right.next >= 0) {
    scratch.symbols[static_cast<size_t>(right.next)].previous = position;
  }
  right.next = kJoined;
  PushCandidate(scratch, left.previous);
  PushCandidate(scratch, position);
}

// Keeps the pairs in a heap, and skips a pair whose symbols have changed since.
void BpeModel::MergeMany(BpeScratch& scratch) const {
  const auto size = static_cast<int32_t>(scratch.ids.size());
  scratch.symbols.clear();
  scratch.heap.clear();
  for (int32_t i = 0; i < size; ++i) {
    scratch.symbols.push_back({scratch.ids[static_cast<size_t>(i)], i - 1,
                               i + 1 < size ? i + 1 : kNone});
  }
  for (int32_t i = 0; i < size; ++i) PushCandidate(scratch, i);
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), ComesLater);
    const BpeScratch::Candidate top = scratch.heap.back();
    scratch.heap.pop_back();
    const auto& left = scratch.symbols[static_cast<size_t>(top.position)];
    if (left.next < 0) continue;
    const Merge* const merge =
        FindMerge(left.id, scratch.symbols[static_cast<size_t>(left.next)].id);
    if (merge == nullptr || merge->new_id != top.new_id) continue;
    Join(scratch, top.position, top.new_id);
  }
  scratch.ids.clear();
  for (const auto& symbol : scratch.symbols) {
    if (symbol.next != kJoined) scratch.ids.push_back(symbol.id);
  }
}

void BpeModel::Encode(absl::string_view word, BpeScratch& scratch,
                      std::vector<int32_t>* ids) const {
  if (ignore_merges_) {
    const auto& words = words_are_bytes_ ? byte_words_ : ids_;
    const auto found = words.find(word);
    if (found != words.end()) {
      ids->push_back(found->second);
      return;
    }
  }
  scratch.ids.clear();
  AppendStarts(word, &scratch.ids);
  if (scratch.ids.size() <= kFewSymbols) {
    MergeFew(&scratch.ids);
  } else {
    MergeMany(scratch);
  }
  ids->insert(ids->end(), scratch.ids.begin(), scratch.ids.end());
}

std::optional<int32_t> BpeModel::TokenToId(absl::string_view token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

}  // namespace moe::text
