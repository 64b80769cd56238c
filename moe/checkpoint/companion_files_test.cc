#include "moe/checkpoint/companion_files.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"

namespace moe::checkpoint {
namespace {

namespace fs = std::filesystem;

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

auto Left(const std::string& name, const std::string& why) {
  return AllOf(Field(&LeftBehind::name, name),
               Field(&LeftBehind::why, HasSubstr(why)));
}

std::vector<std::string> NamesOf(const CompanionCopies& found) {
  std::vector<std::string> names;
  for (const auto& [name, path] : found.copies) names.push_back(name);
  return names;
}

// A folder "model" with a config, and somebody's key beside it.
class CompanionFilesTest : public ::testing::Test {
 protected:
  CompanionFilesTest()
      : config_(directory_.Write("model/config.json", "{}")),
        key_(directory_.Write("keys/id", "secret")) {}

  std::string Model(const std::string& name = "") const {
    return directory_.Path(name.empty() ? "model" : "model/" + name);
  }
  void Link(const std::string& to, const std::string& path) const {
    fs::create_directories(fs::path(path).parent_path());
    fs::create_symlink(to, path);
  }
  CompanionCopies Find() const {
    return FindCompanionCopies(Model(), {config_}).value();
  }

  const TempDirectory directory_;
  const std::string config_;
  const std::string key_;
};

TEST_F(CompanionFilesTest, TakesWhatBelongsToAModel) {
  for (const char* name :
       {"LICENSE.txt", "NOTICE", "README.md", "USE_POLICY.md", "optimizer.pt",
        "tokenizer.json", "tokenizer_config.json", "vocab.json"}) {
    directory_.Write(std::string("model/") + name, "{}");
  }
  const CompanionCopies found = Find();
  EXPECT_THAT(
      NamesOf(found),
      ElementsAre("LICENSE.txt", "NOTICE", "USE_POLICY.md", "tokenizer.json",
                  "tokenizer_config.json", "vocab.json"));
  EXPECT_EQ(found.copies.at("NOTICE"), fs::canonical(Model("NOTICE")));
  EXPECT_THAT(found.contents, IsEmpty());
  EXPECT_THAT(found.left_behind, IsEmpty());
  EXPECT_THAT(found.others, ElementsAre("README.md", "optimizer.pt"));
  EXPECT_THAT(ListCompanionFiles(Model()), IsOkAndHolds(NamesOf(found)));
}

TEST_F(CompanionFilesTest, TheTokenizersCodeIsTaken) {
  directory_.Write("model/tokenization_fox.py", "from .units import x\n");
  directory_.Write("model/units.py", "");
  directory_.Write("model/modeling_fox.py", "");
  directory_.Write("model/original/params.json", "");
  directory_.Write("model/.gitattributes", "");
  CompanionCopies found = Find();
  EXPECT_THAT(NamesOf(found), ElementsAre("tokenization_fox.py", "units.py"));
  EXPECT_THAT(found.others, ElementsAre("modeling_fox.py", "original/"));
  // But not from elsewhere.
  fs::remove(Model("units.py"));
  Link(key_, Model("units.py"));
  found = Find();
  EXPECT_THAT(NamesOf(found), ElementsAre("tokenization_fox.py"));
  EXPECT_THAT(found.left_behind, ElementsAre(Left("units.py", "outside")));
}

TEST_F(CompanionFilesTest, TakesTheChatTemplatesThatHaveNames) {
  directory_.Write("model/chat_template.jinja", "x");
  directory_.Write("model/additional_chat_templates/tool_use.jinja", "x");
  directory_.Write("model/additional_chat_templates/rag.jinja", "x");
  directory_.Write("model/additional_chat_templates/notes.txt", "x");
  directory_.Write("model/additional_chat_templates/.rag.jinja.swp", "x");
  directory_.Write("model/additional_chat_templates/.hidden.jinja", "x");
  directory_.Write("model/additional_chat_templates/old/rag.jinja", "x");
  directory_.Write("model/other_templates/rag.jinja", "x");
  Link(key_, Model("additional_chat_templates/key.jinja"));
  const CompanionCopies found = Find();
  EXPECT_THAT(NamesOf(found),
              ElementsAre("additional_chat_templates/rag.jinja",
                          "additional_chat_templates/tool_use.jinja",
                          "chat_template.jinja"));
  EXPECT_EQ(found.copies.at("additional_chat_templates/rag.jinja"),
            fs::canonical(Model("additional_chat_templates/rag.jinja")));
  EXPECT_THAT(found.left_behind,
              ElementsAre(Left("additional_chat_templates/key.jinja",
                               "outside of the model's folder")));
  EXPECT_THAT(found.others, ElementsAre("additional_chat_templates/notes.txt",
                                        "additional_chat_templates/old/",
                                        "other_templates/"));
  EXPECT_THAT(
      ListCompanionFiles(Model()),
      IsOkAndHolds(ElementsAre("additional_chat_templates/key.jinja",
                               "additional_chat_templates/rag.jinja",
                               "additional_chat_templates/tool_use.jinja",
                               "chat_template.jinja")));
}

TEST_F(CompanionFilesTest, AFolderOfChatTemplatesElsewhereIsNotTheModels) {
  directory_.Write("keys/id.jinja", "secret");
  Link("../keys", Model("additional_chat_templates"));
  const CompanionCopies found = Find();
  EXPECT_THAT(NamesOf(found), IsEmpty());
  EXPECT_THAT(found.left_behind,
              ElementsAre(Left("additional_chat_templates/id.jinja",
                               "outside of the model's folder")));
  // A file of that name is no such folder.
  fs::remove(Model("additional_chat_templates"));
  directory_.Write("model/additional_chat_templates", "x");
  EXPECT_THAT(Find().others, ElementsAre("additional_chat_templates"));
}

TEST_F(CompanionFilesTest, LeavesALinkOutOfTheModelBehind) {
  Link(key_, Model("LICENSE-x"));
  Link("../keys/id", Model("NOTICE"));
  // Two links, of which only the second leads out; and a folder.
  Link("NOTICE", Model("LICENSE-y"));
  Link("../keys", Model("inner"));
  Link("inner/id", Model("vocab.txt"));
  const CompanionCopies found = Find();
  EXPECT_THAT(NamesOf(found), IsEmpty());
  EXPECT_THAT(found.left_behind,
              ElementsAre(Left("LICENSE-x", "outside of the model's folder"),
                          Left("LICENSE-y", "outside of the model's folder"),
                          Left("NOTICE", "copy the file itself"),
                          Left("vocab.txt", "outside of the model's folder")));
  // Where they lead is not told.
  for (const LeftBehind& left : found.left_behind) {
    EXPECT_EQ(left.why.find("keys"), std::string::npos);
  }
  // Reading follows them.
  EXPECT_THAT(ListCompanionFiles(Model()),
              IsOkAndHolds(ElementsAre("LICENSE-x", "LICENSE-y", "NOTICE",
                                       "vocab.txt")));
}

TEST_F(CompanionFilesTest, TakesALinkWithinTheModel) {
  directory_.Write("model/legal/terms", "terms");
  Link("legal/terms", Model("LICENSE"));
  Link(Model("LICENSE"), Model("NOTICE"));
  const CompanionCopies found = Find();
  EXPECT_THAT(NamesOf(found), ElementsAre("LICENSE", "NOTICE"));
  EXPECT_EQ(found.copies.at("NOTICE"), fs::canonical(Model("legal/terms")));
  EXPECT_THAT(found.left_behind, IsEmpty());
}

TEST_F(CompanionFilesTest, TheModelsFolderMayItselfBeALink) {
  directory_.Write("model/LICENSE", "terms");
  Link("model", directory_.Path("alias"));
  const CompanionCopies found =
      FindCompanionCopies(directory_.Path("alias/"),
                          {directory_.Path("alias/config.json")})
          .value();
  EXPECT_THAT(NamesOf(found), ElementsAre("LICENSE"));
  EXPECT_THAT(found.left_behind, IsEmpty());
}

// models--a--b/snapshots/REVISION/x -> ../../blobs/HASH
TEST_F(CompanionFilesTest, TakesWhatLiesInTheCacheOfTheHub) {
  const std::string snapshot = directory_.Path("hub/snapshots/1f0a");
  const auto add = [&](const std::string& name, const std::string& blob) {
    directory_.Write("hub/blobs/" + blob, "x");
    Link("../../blobs/" + blob, snapshot + "/" + name);
  };
  add("config.json", "aa");
  add("model.safetensors", "bb");
  add("tokenizer.json", "cc");
  add("LICENSE.txt", "dd");
  directory_.Write("hub/blobs/ee", "x");
  Link("../../../blobs/ee", snapshot + "/additional_chat_templates/rag.jinja");
  Link("../../../keys/id", snapshot + "/NOTICE");
  const CompanionCopies found =
      FindCompanionCopies(snapshot, {snapshot + "/config.json",
                                     snapshot + "/model.safetensors"})
          .value();
  EXPECT_THAT(NamesOf(found),
              ElementsAre("LICENSE.txt", "additional_chat_templates/rag.jinja",
                          "tokenizer.json"));
  EXPECT_THAT(found.left_behind, ElementsAre(Left("NOTICE", "outside")));
}

// Only what lies directly beside the model's files: not all that is below.
TEST_F(CompanionFilesTest, TheFolderOfAShardIsNoFolderOfTheModel) {
  directory_.Write("store/weights", "x");
  directory_.Write("store/terms", "x");
  directory_.Write("store/private/key", "x");
  Link("../store/weights", Model("model.safetensors"));
  Link("../store/terms", Model("LICENSE"));
  Link("../store/private/key", Model("NOTICE"));
  const CompanionCopies found =
      FindCompanionCopies(Model(), {config_, Model("model.safetensors")})
          .value();
  EXPECT_THAT(NamesOf(found), ElementsAre("LICENSE"));
  EXPECT_THAT(found.left_behind, ElementsAre(Left("NOTICE", "outside")));
}

// The name of one folder may be the start of another's.
TEST_F(CompanionFilesTest, AFolderBesideIsNotTheModels) {
  directory_.Write("model_of_ann/terms", "x");
  Link("../model_of_ann/terms", Model("LICENSE"));
  EXPECT_THAT(Find().left_behind, ElementsAre(Left("LICENSE", "outside")));
}

TEST_F(CompanionFilesTest, LeavesWhatIsNoFileBehind) {
  Link("nowhere", Model("LICENSE"));
  Link("NOTICE", Model("NOTICE"));
  fs::create_directory(Model("LICENSES"));
  // Opened, it would wait for a writer.
  ASSERT_EQ(::mkfifo(Model("tokenizer.json").c_str(), 0600), 0);
  Link("/dev/zero", Model("vocab.json"));
  const CompanionCopies found = Find();
  EXPECT_THAT(NamesOf(found), IsEmpty());
  EXPECT_THAT(found.left_behind,
              ElementsAre(Left("LICENSE", "leads nowhere"),
                          Left("LICENSES", "no regular file"),
                          Left("NOTICE", "leads nowhere"),
                          Left("tokenizer.json", "no regular file"),
                          Left("vocab.json", "no regular file")));
  EXPECT_THAT(ListCompanionFiles(Model()), IsOkAndHolds(IsEmpty()));
}

TEST_F(CompanionFilesTest, LeavesPathFieldsBehind) {
  directory_.Write("model/tokenizer_config.json",
                   R"({"tokenizer_file": "/root/t.json", "eos_token": "/e"})");
  directory_.Write("model/generation_config.json", R"({"max_length": 7})");
  // No file in which libraries note paths: tokens may look like one.
  directory_.Write("model/special_tokens_map.json", R"({"path": "/root"})");
  const CompanionCopies found = Find();
  EXPECT_THAT(NamesOf(found),
              ElementsAre("generation_config.json", "special_tokens_map.json"));
  ASSERT_EQ(found.contents.size(), 1u);
  EXPECT_EQ(found.contents.at("tokenizer_config.json"),
            "{\n  \"eos_token\": \"/e\"\n}\n");
  EXPECT_THAT(found.left_behind,
              ElementsAre(Left("tokenizer_config.json: tokenizer_file",
                               "a path of the machine")));
}

TEST_F(CompanionFilesTest, WhatIsNoJsonIsCopiedAsItIs) {
  directory_.Write("model/tokenizer_config.json", "{\"a\": \"/root\"");
  EXPECT_THAT(NamesOf(Find()), ElementsAre("tokenizer_config.json"));
}

TEST(LeftBehindToJsonTest, ListsNamesAndReasons) {
  EXPECT_EQ(LeftBehindToJson({{"LICENSE", "it is a link"}}).dump(),
            R"([{"name":"LICENSE","why":"it is a link"}])");
  EXPECT_EQ(LeftBehindToJson({}).dump(), "[]");
}

}  // namespace
}  // namespace moe::checkpoint
