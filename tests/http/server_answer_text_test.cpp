// Answers are written without a tree of values between: what every type of answer gives is compared with what
// its tree gives.
#include <algorithm>
#include <boost/json.hpp>
#include <boost/mp11/list.hpp>
#include <cmath>
#include <dumb/base/codec_text.hpp>
#include <dumb/metrics/snapshot.hpp>

#include <dumb/auth/service.hpp>

#include "routes.hpp"
#include "support/catch.hpp"

namespace dumb::server {

/// The answer of /health, whose type is its route's own.
struct HealthShape {
  std::string status;
  std::string details;
  static constexpr std::array<std::string_view, 1> omit_empty{"details"};
};
BOOST_DESCRIBE_STRUCT(HealthShape, (), (status, details))

/// Of routes that say what they did.
struct MessageShape {
  std::string message;
};
BOOST_DESCRIBE_STRUCT(MessageShape, (), (message))

using AnswerTypes = boost::mp11::mp_list<
    engine::ProcessList, engine::ProcessDetail, engine::OperationReply, engine::ServiceStatus,
    engine::ServiceHealth, engine::EventList, engine::Capabilities, engine::Usage, engine::StackOperation,
    engine::StartupStatus, engine::LogChunk, graph::Plan, graph::GraphAnswer, json::object, HealthShape,
    engine::QueuedJob, engine::LatestJob, engine::CancelledJob, engine::JobList, engine::BackupStatus,
    engine::SnapshotList, engine::ManifestFileList, engine::RescheduleReply, engine::UpdateStatus,
    auth::Status, auth::TokenPair, auth::UserList, auth::UserEntry, auth::Verification, MessageShape,
    onboarding::Reply, onboarding::PlanReply, onboarding::CoreServiceList, onboarding::OptionalServiceList,
    onboarding::Status, onboarding::Marked, metrics::Snapshot, metrics::SeriesAnswer, engine::HistoryItems>;

/// Makes values of any described type that differ in everything.
class Filler {
 public:
  explicit Filler(std::size_t round) : round_(round) {}

  template <class T>
  void fill(T& value) {
    const std::size_t turn = count_++ + round_;
    if constexpr (std::is_same_v<T, json::value>) {
      const json::value choices[] = {nullptr, json::object(), json::array(), json::value(text(turn)),
                                     json::value(turn % 2 == 0 ? 1.5 : -2.0)};
      value = choices[turn % std::size(choices)];
    } else if constexpr (std::is_same_v<T, json::object>) {
      if (turn % 3 != 0) value[text(turn)] = text(turn + 1);
    } else if constexpr (std::is_same_v<T, json::array>) {
      if (turn % 3 != 0) value.push_back(json::value(text(turn)));
    } else if constexpr (codec::detail::is_optional<T>::value) {
      if (turn % 2 == 0) return value.reset();
      fill(value.emplace());
    } else if constexpr (std::is_same_v<T, bool>) {
      value = turn % 2 == 0;
    } else if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<T>(std::pow(-3.7, static_cast<double>(turn % 40)));
    } else if constexpr (std::is_integral_v<T>) {
      value = static_cast<T>(turn * 123'456'789'012'345ULL);
    } else if constexpr (std::is_same_v<T, std::string>) {
      value = text(turn);
    } else if constexpr (codec::DescribedEnum<T>) {
      value = static_cast<T>(turn % 4);
    } else if constexpr (codec::detail::is_vector<T>::value) {
      value.resize(turn % 3);
      for (std::size_t i = 0; i < value.size(); ++i) {
        typename T::value_type element{};
        fill(element);
        value[i] = std::move(element);
      }
    } else if constexpr (codec::detail::is_map<T>::value) {
      for (std::size_t i = 0; i < turn % 3; ++i) fill(value[text(turn + i)]);
    } else {
      boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>(
          [&](auto d) { fill(value.*d.pointer); });
    }
  }

 private:
  static std::string text(std::size_t turn) {
    const std::string_view choices[] = {"plain", "", "\"q\" \\ /", "a\nb\t\x01\x7f",
                                        "\xC3\xA4\xF0\x9F\x98\x80"};
    return std::string(choices[turn % std::size(choices)]);
  }
  std::size_t round_;
  std::size_t count_ = 0;
};

TEST_CASE("every type of answer is written as its tree of values is", "[server][API-6]") {
  boost::mp11::mp_for_each<boost::mp11::mp_transform<boost::mp11::mp_identity, AnswerTypes>>([](auto type) {
    using Answer = typename decltype(type)::type;
    CHECK(codec::to_text(Answer{}) == jsonx::print_compact(codec::encode(Answer{})));
    for (std::size_t round = 0; round < 60; ++round) {
      CAPTURE(round);
      Answer answer{};
      Filler(round).fill(answer);
      CHECK(codec::to_text(answer) == jsonx::print_compact(codec::encode(answer)));
    }
  });
}

TEST_CASE("no type of answer of the route table is left out of these", "[server][API-6]") {
  json::array known;
  boost::mp11::mp_for_each<boost::mp11::mp_transform<boost::mp11::mp_identity, AnswerTypes>>(
      [&](auto type) { known.push_back(schema_of<typename decltype(type)::type, Side::answer>()); });
  known.push_back(schema_of<engine::Text, Side::answer>());  // is text already
  const auto is_known = [&](const json::value& schema) {
    return std::find(known.begin(), known.end(), schema) != known.end();
  };
  std::size_t checked = 0;
  for (const Route& route : make_routes(std::chrono::seconds(1))) {
    CAPTURE(route.path);
    if (!route.answer) continue;
    const json::object schema = route.answer.schema();
    if (const json::value* choices = schema.if_contains("anyOf")) {
      for (const json::value& choice : choices->get_array()) CHECK(is_known(choice));
    } else {
      CHECK(is_known(schema));
    }
    ++checked;
  }
  CHECK(checked > 15);
}

}  // namespace dumb::server
