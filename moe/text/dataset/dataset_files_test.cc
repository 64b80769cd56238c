#include "moe/text/dataset/dataset_files.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/testing/status_matchers.h"
#include "moe/base/testing/temp_directory.h"
#include "moe/checkpoint/safetensors_file.h"
#include "moe/text/dataset/testing/compress.h"

namespace moe::text {
namespace {

using ::moe::base::testing::IsOkAndHolds;
using ::moe::base::testing::StatusIs;
using ::moe::base::testing::TempDirectory;
using ::moe::text::testing::GzipOf;
using ::moe::text::testing::ZstdOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(DatasetFilesTest, AFileStandsForItself) {
  const TempDirectory directory;
  const std::string path = directory.Write("whatever", "");
  MOE_ASSERT_OK_AND_ASSIGN(const DatasetFiles files, ListDatasetFiles(path));
  EXPECT_THAT(files.paths, ElementsAre(path));
}

TEST(DatasetFilesTest, ADirectoryIsSortedByBytes) {
  const TempDirectory directory;
  for (const char* name :
       {"b.jsonl", "B.json", "a10.jsonl.gz", "a9.json.zst", ".hidden.jsonl",
        "README.md", "data.gz", "sub/x.jsonl", "c.txt", "d.CSV", "e.tsv.gz",
        "dataset_info.json", "state.json", "LICENSE.txt"}) {
    directory.Write(name, "");
  }
  MOE_ASSERT_OK_AND_ASSIGN(const DatasetFiles files,
                           ListDatasetFiles(directory.path()));
  EXPECT_THAT(
      files.paths,
      ElementsAre(directory.Path("B.json"), directory.Path("a10.jsonl.gz"),
                  directory.Path("a9.json.zst"), directory.Path("b.jsonl")));
  EXPECT_THAT(files.passed_over,
              ElementsAre(".hidden.jsonl", "LICENSE.txt", "README.md", "c.txt",
                          "d.CSV", "data.gz", "dataset_info.json", "e.tsv.gz",
                          "state.json", "sub"));
  // A separator after the name changes nothing.
  MOE_ASSERT_OK_AND_ASSIGN(const DatasetFiles same,
                           ListDatasetFiles(directory.path() + "/"));
  EXPECT_EQ(same.paths, files.paths);
}

TEST(DatasetFilesTest, TablesAndTextsCountWhereThereIsNoJson) {
  const TempDirectory directory;
  for (const char* name : {"c.txt", "d.CSV", "e.tsv.gz", "README.txt"}) {
    directory.Write(name, "");
  }
  MOE_ASSERT_OK_AND_ASSIGN(const DatasetFiles files,
                           ListDatasetFiles(directory.path()));
  EXPECT_THAT(files.paths,
              ElementsAre(directory.Path("c.txt"), directory.Path("d.CSV"),
                          directory.Path("e.tsv.gz")));
  EXPECT_THAT(files.passed_over, ElementsAre("README.txt"));
}

TEST(DatasetFilesTest, NothingThereIsAnError) {
  const TempDirectory directory;
  EXPECT_THAT(ListDatasetFiles(directory.Path("none")).status(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("/none: expected a dataset (a file, or a "
                                 "directory of files), found nothing")));
  directory.Write("tokens.safetensors", "");
  EXPECT_THAT(
      ListDatasetFiles(directory.path()).status(),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr(
              "expected a file of a dataset (.jsonl, .json, .csv, .tsv or "
              ".txt, or these with .gz or .zst), found none among 1 names")));
  directory.Write("train.parquet", "");
  EXPECT_THAT(
      ListDatasetFiles(directory.path()).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("make JSON lines of train.parquet with python3 -c")));
  directory.Write("data-00000-of-00001.arrow", "");
  EXPECT_THAT(ListDatasetFiles(directory.path()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("datasets.load_from_disk('DIRECTORY')")));
}

TEST(DatasetFilesTest, TellsSafetensorsByContent) {
  const TempDirectory directory;
  const std::string path = directory.Path("a.jsonl");
  MOE_ASSERT_OK(
      checkpoint::WriteSafetensorsFile(path, {}, {{"k", "v"}}, false));
  EXPECT_THAT(IsSafetensorsFile(path), IsOkAndHolds(true));
  for (const absl::string_view text :
       {absl::string_view(""), absl::string_view("{}"),
        absl::string_view("{\"text\":{"), absl::string_view("\0\0\0\0{", 5)}) {
    EXPECT_THAT(IsSafetensorsFile(directory.Write("b", text)),
                IsOkAndHolds(false));
  }
  EXPECT_THAT(IsSafetensorsFile(directory.Write("c", GzipOf("{}"))),
              IsOkAndHolds(false));
  EXPECT_THAT(IsSafetensorsFile(directory.Write("d", ZstdOf("{}"))),
              IsOkAndHolds(false));
}

}  // namespace
}  // namespace moe::text
