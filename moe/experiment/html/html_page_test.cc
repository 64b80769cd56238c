#include "moe/experiment/html/html_page.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace moe {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(EscapeHtmlTest, EscapesWhatHtmlTakesForItself) {
  EXPECT_EQ(EscapeHtml("<b a=\"1\" c='2'>&amp;</b>"),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;&lt;/b&gt;");
  EXPECT_EQ(EscapeHtml("Überdruß"), "Überdruß");
  EXPECT_EQ(EscapeHtml(""), "");
}

TEST(HtmlPageTest, HasTheTitleTwiceAndNothingFromElsewhere) {
  const std::string page = FormatHtmlPage("a < b", "<p>text</p>\n");
  EXPECT_THAT(page, HasSubstr("<title>a &lt; b</title>"));
  EXPECT_THAT(page, HasSubstr("<h1>a &lt; b</h1>\n<p>text</p>\n"));
  EXPECT_THAT(page, HasSubstr("<meta charset=\"utf-8\">"));
  for (const char* const elsewhere : {"http", "src=", "href=", "@import"}) {
    EXPECT_THAT(page, Not(HasSubstr(elsewhere)));
  }
}

TEST(HtmlTableTest, PutsNumbersToTheRight) {
  EXPECT_EQ(FormatHtmlTable({{"name", "value", "mixed", "share"},
                             {{"1", "1,234", "x", "5%"},
                              {"<a>", "-2.5e-3", "2", ""},
                              {"b", "-", "3", "0.5"}}}),
            "<table>\n<thead>\n"
            "<tr><th>name</th><th class=\"number\">value</th><th>mixed</th>"
            "<th class=\"number\">share</th></tr>\n"
            "</thead>\n<tbody>\n"
            "<tr><td>1</td><td class=\"number\">1,234</td><td>x</td>"
            "<td class=\"number\">5%</td></tr>\n"
            "<tr><td>&lt;a&gt;</td><td class=\"number\">-2.5e-3</td><td>2</td>"
            "<td class=\"number\"></td></tr>\n"
            "<tr><td>b</td><td class=\"number\">-</td><td>3</td>"
            "<td class=\"number\">0.5</td></tr>\n"
            "</tbody>\n</table>\n");
}

TEST(HtmlTableTest, GivesColumnsTheirClasses) {
  HtmlTable table = {{"a", "b", "c"}, {{"1 s", "2", "x"}}};
  table.column_classes = {"number", "digest"};
  EXPECT_THAT(FormatHtmlTable(table),
              HasSubstr("<tr><td class=\"number\">1 s</td>"
                        "<td class=\"digest\">2</td><td>x</td></tr>"));
}

TEST(HtmlPageTest, HasMoreStyleWhereThereIsSome) {
  EXPECT_THAT(FormatHtmlPage("a", "", "b { color: red; }"),
              HasSubstr("b { color: red; }</style>"));
}

TEST(HtmlTableTest, MayHaveNoRows) {
  EXPECT_EQ(FormatHtmlTable({{"name"}, {}}),
            "<table>\n<thead>\n<tr><th>name</th></tr>\n</thead>\n<tbody>\n"
            "</tbody>\n</table>\n");
}

}  // namespace
}  // namespace moe
