// A bounded cache from words to their ids.
//
// Texts repeat their words. The table has kNumEntries places; a word goes to
// the place of its hash and replaces an earlier word there. Results never
// depend on the cache: it returns what BPE would compute again. It takes
// kNumEntries * 64 bytes = 2 MiB. It does not keep words over kMaxWordBytes or
// with more than kMaxIds ids.

#ifndef MOE_TEXT_TOKENIZER_WORD_CACHE_H_
#define MOE_TEXT_TOKENIZER_WORD_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace moe::text {

// Used by one thread at a time.
class WordCache {
 public:
  static constexpr size_t kNumEntries = size_t{1} << 15;
  static constexpr size_t kMaxWordBytes = 22;
  static constexpr size_t kMaxIds = 10;

  WordCache();

  // The place of a word's ids in the table.
  class Place {
   private:
    friend class WordCache;
    size_t index = 0;
  };

  // Finds the ids of a word that is not empty; false if the cache does not have
  // them. `ids` is valid until the next Put; `place` is for Put.
  struct Ids {
    const int32_t* data;
    size_t size;
  };
  bool Get(absl::string_view word, Place* place, Ids* ids) const;

  // Keeps the ids if they fit.
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

}  // namespace moe::text

#endif  // MOE_TEXT_TOKENIZER_WORD_CACHE_H_
