// trickle-api(7) holds the tables that validation uses, word for word. UPDATE_GOLDEN=1 writes them into the
// page.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "test_paths.h"
#include "worker/schema.h"

namespace trickle::worker {
namespace {

// Normalised by name: the data directory need not be there.
const std::string kPage =
    std::filesystem::path(TRICKLE_TEST_DATA_DIR "/../../man/trickle-api.7").lexically_normal();

std::string read_page() {
  std::ostringstream text;
  text << std::ifstream(kPage).rdbuf();
  return text.str();
}

void expect_table(const std::string& name, const std::string& table) {
  std::string page = read_page();
  const std::string begin_mark = ".\\\" generated: " + name + "\n";
  const size_t begin = page.find(begin_mark);
  ASSERT_NE(begin, std::string::npos) << "no mark for " << name;
  const size_t from = begin + begin_mark.size();
  const size_t end = page.find(".\\\" end\n", from);
  ASSERT_NE(end, std::string::npos);
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(kPage) << page.replace(from, end - from, table);
  } else {
    EXPECT_EQ(page.substr(from, end - from), table) << "run this test with UPDATE_GOLDEN=1";
  }
}

TEST(Manual, HasTheFieldsOfStart) { expect_table("start", fields_as_mdoc(start_fields())); }
TEST(Manual, HasTheParameters) { expect_table("params", fields_as_mdoc(param_fields())); }
TEST(Manual, HasTheEffects) { expect_table("effects", effects_as_mdoc()); }

}  // namespace
}  // namespace trickle::worker
