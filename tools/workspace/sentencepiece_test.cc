// SentencePiece and Protocol Buffers in one program: see
// sentencepiece/private_symbols.py.

#include <google/protobuf/any.pb.h>
#include <sentencepiece_processor.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace {

TEST(SentencePieceTest, WorksBesideProtocolBuffers) {
  google::protobuf::Any message;
  message.set_type_url("a");
  EXPECT_FALSE(message.SerializeAsString().empty());
  sentencepiece::SentencePieceProcessor processor;
  ASSERT_TRUE(
      processor.Load("testdata/tokenizers/sentencepiece/tokenizer.model").ok());
  std::vector<int> ids;
  ASSERT_TRUE(processor.Encode("Hello", &ids).ok());
  EXPECT_FALSE(ids.empty());
}

}  // namespace
