#include "moe/experiment/report/html_section.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/json.h"

namespace moe {
namespace {

TEST(HtmlSectionTest, LeavesOutWhatIsEmpty) {
  const std::vector<HtmlSection> sections = {{"a", "A & B", "<p>x</p>\n"},
                                             {"b", "B", ""}};
  EXPECT_EQ(FormatSections(sections),
            "<section id=\"a\">\n<h2>A &amp; B</h2>\n<p>x</p>\n</section>\n");
  EXPECT_EQ(FormatContents(sections),
            "<nav>\n<a href=\"#a\">A &amp; B</a>\n</nav>\n");
}

TEST(HtmlSectionTest, EscapesText) {
  EXPECT_EQ(Paragraph("<b>"), "<p>&lt;b&gt;</p>\n");
  EXPECT_EQ(Paragraph("x", "bad"), "<p class=\"bad\">x</p>\n");
  EXPECT_EQ(Preformatted("<"), "<pre>&lt;</pre>\n");
  EXPECT_EQ(Figure("<", "<svg></svg>\n"),
            "<figure>\n<figcaption>&lt;</figcaption>\n<div class=\"scroll\">\n"
            "<svg></svg>\n</div>\n</figure>\n");
  EXPECT_EQ(Details("<", "<p></p>"),
            "<details>\n<summary>&lt;</summary>\n<p></p></details>\n");
}

TEST(HtmlSectionTest, ShowsFieldsThatMayBeMissing) {
  const Json object =
      Json::parse(R"({"a": "x", "n": 1.5, "i": 12345, "inf": "inf",
                      "null": null, "minus": -1})");
  EXPECT_EQ(TextIn(object, "a"), "x");
  EXPECT_EQ(TextIn(object, "n"), "");
  EXPECT_EQ(NumberIn(object, "n"), "1.500");
  EXPECT_EQ(NumberIn(object, "inf"), "infinite");
  EXPECT_EQ(NumberIn(object, "null"), "-");
  EXPECT_EQ(NumberIn(object, "none"), "-");
  EXPECT_EQ(IntegerIn(object, "i"), "12,345");
  EXPECT_EQ(IntegerIn(object, "n"), "-");
  EXPECT_EQ(IntegerIn(object, "minus"), "-");
}

}  // namespace
}  // namespace moe
