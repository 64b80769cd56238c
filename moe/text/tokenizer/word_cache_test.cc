#include "moe/text/tokenizer/word_cache.h"

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe::text {
namespace {

using ::testing::ElementsAre;

std::vector<int32_t> Get(const WordCache& cache, const std::string& word,
                         bool* found) {
  WordCache::Place place;
  WordCache::Ids ids = {nullptr, 0};
  *found = cache.Get(word, &place, &ids);
  return {ids.data, ids.data + ids.size};
}

void Put(WordCache& cache, const std::string& word,
         const std::vector<int32_t>& value) {
  WordCache::Place place;
  WordCache::Ids ids;
  if (!cache.Get(word, &place, &ids)) cache.Put(word, place, value);
}

TEST(WordCacheTest, KeepsWordsOfEveryLength) {
  for (size_t size = 1; size <= WordCache::kMaxWordBytes; ++size) {
    WordCache cache;
    const std::string word(size, 'a');
    bool found = true;
    Get(cache, word, &found);
    EXPECT_FALSE(found);
    Put(cache, word, {1, 2, 3});
    EXPECT_THAT(Get(cache, word, &found), ElementsAre(1, 2, 3));
    EXPECT_TRUE(found);
    // A change of any byte makes another word.
    for (size_t i = 0; i < size; ++i) {
      std::string other = word;
      other[i] = 'b';
      Get(cache, other, &found);
      EXPECT_FALSE(found) << size << " " << i;
    }
  }
}

TEST(WordCacheTest, WordsWithoutIdsAreKept) {
  WordCache cache;
  Put(cache, "a", {});
  bool found = false;
  EXPECT_THAT(Get(cache, "a", &found), ElementsAre());
  EXPECT_TRUE(found);
}

TEST(WordCacheTest, WhatIsTooLongIsNotKept) {
  WordCache cache;
  bool found = true;
  Put(cache, std::string(WordCache::kMaxWordBytes + 1, 'a'), {1});
  Get(cache, std::string(WordCache::kMaxWordBytes + 1, 'a'), &found);
  EXPECT_FALSE(found);
  Put(cache, "a", std::vector<int32_t>(WordCache::kMaxIds + 1, 7));
  Get(cache, "a", &found);
  EXPECT_FALSE(found);
  Put(cache, "a", std::vector<int32_t>(WordCache::kMaxIds, 7));
  EXPECT_EQ(Get(cache, "a", &found).size(), WordCache::kMaxIds);
}

TEST(WordCacheTest, ManyWordsNeverGiveAnothersIds) {
  WordCache cache;
  const int num_words = 200000;  // Six times as many as there are places.
  int hits = 0;
  for (int i = 0; i < num_words; ++i) Put(cache, std::to_string(i), {i});
  for (int i = 0; i < num_words; ++i) {
    bool found = false;
    const std::vector<int32_t> ids = Get(cache, std::to_string(i), &found);
    if (!found) continue;
    ++hits;
    ASSERT_THAT(ids, ElementsAre(i));
  }
  EXPECT_GT(hits, static_cast<int>(WordCache::kNumEntries) / 2);
}

}  // namespace
}  // namespace moe::text
