#include "moe/text/tokenizer/word_cache.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace moe::text {
namespace {

uint64_t Load64(const char* data) {
  uint64_t word;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

uint64_t Load32(const char* data) {
  uint32_t word;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

// Reads the word by overlapping loads instead of single bytes. The hash depends
// on every byte and on the length.
uint64_t Hash(absl::string_view word) {
  const char* const data = word.data();
  const size_t size = word.size();
  uint64_t a;
  uint64_t b = 0;
  if (size >= 8) {
    a = Load64(data);
    b = Load64(data + size - 8);
    if (size > 16) a ^= Load64(data + 8) * 0x9FB21C651E98DF25u;
  } else if (size >= 4) {
    a = Load32(data) | (Load32(data + size - 4) << 32);
  } else {
    a = uint64_t{static_cast<uint8_t>(data[0])} |
        uint64_t{static_cast<uint8_t>(data[size / 2])} << 8 |
        uint64_t{static_cast<uint8_t>(data[size - 1])} << 16;
  }
  uint64_t hash = (a ^ (size << 56)) * 0x9E3779B97F4A7C15u;
  hash ^= hash >> 32;
  hash = (hash ^ b) * 0xD6E8FEB86659FD93u;
  return hash ^ (hash >> 32);
}

bool Equal(const char* a, const char* b, size_t size) {
  if (size >= 8) {
    if (Load64(a) != Load64(b) ||
        Load64(a + size - 8) != Load64(b + size - 8)) {
      return false;
    }
    return size <= 16 || Load64(a + 8) == Load64(b + 8);
  }
  if (size >= 4) {
    return Load32(a) == Load32(b) &&
           Load32(a + size - 4) == Load32(b + size - 4);
  }
  return a[0] == b[0] && a[size / 2] == b[size / 2] &&
         a[size - 1] == b[size - 1];
}

}  // namespace

WordCache::WordCache() : entries_(std::make_unique<Entry[]>(kNumEntries)) {}

bool WordCache::Get(absl::string_view word, Place* place, Ids* ids) const {
  if (word.size() > kMaxWordBytes) return false;
  place->index = Hash(word) % kNumEntries;
  const Entry& entry = entries_[place->index];
  if (entry.word_size != word.size() ||
      !Equal(entry.word, word.data(), word.size())) {
    return false;
  }
  *ids = {entry.ids, entry.num_ids};
  return true;
}

void WordCache::Put(absl::string_view word, const Place& place,
                    absl::Span<const int32_t> ids) {
  if (word.size() > kMaxWordBytes || ids.size() > kMaxIds) return;
  Entry& entry = entries_[place.index];
  entry.word_size = static_cast<uint8_t>(word.size());
  entry.num_ids = static_cast<uint8_t>(ids.size());
  std::memcpy(entry.word, word.data(), word.size());
  std::copy(ids.begin(), ids.end(), entry.ids);
}

}  // namespace moe::text
