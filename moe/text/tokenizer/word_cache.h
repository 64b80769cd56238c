// A bounded memory of words and their ids.
//
// A text repeats its words: what BPE made of one is kept in a table of
// kNumEntries places, one for each hash, where a later word takes the place of
// an earlier one. Results never depend on it: a hit is what BPE would give
// again. It takes kNumEntries * 64 bytes = 2 MiB whatever is encoded; words
// over kMaxWordBytes or with more than kMaxIds ids are not kept.

#ifndef MOE_TEXT_TOKENIZER_WORD_CACHE_H_
#define MOE_TEXT_TOKENIZER_WORD_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace moe {

// Used by one thread at a time.
class WordCache {
 public:
  static constexpr size_t kNumEntries = size_t{1} << 15;
  static constexpr size_t kMaxWordBytes = 22;
  static constexpr size_t kMaxIds = 10;

  WordCache();

  // Where a word's ids are, or go.
  class Place {
   private:
    friend class WordCache;
    size_t index = 0;
  };

  // The ids of the word, which is not empty; null if they are not kept. Valid
  // until the next Put. `place` is for Put.
  struct Ids {
    const int32_t* data;
    size_t size;
  };
  bool Get(absl::string_view word, Place* place, Ids* ids) const;

  // Keeps the ids, if they fit.
  void Put(absl::string_view word, const Place& place,
           absl::Span<const int32_t> ids);

 private:
  struct Entry {
    uint8_t word_size;  // 0: nothing.
    uint8_t num_ids;
    char word[kMaxWordBytes];
    int32_t ids[kMaxIds];
  };
  static_assert(sizeof(Entry) == 64);

  std::unique_ptr<Entry[]> entries_;
};

}  // namespace moe

#endif  // MOE_TEXT_TOKENIZER_WORD_CACHE_H_
