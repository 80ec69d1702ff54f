#pragma once

#include <boost/json.hpp>
#include <dumb/config/manager.hpp>
#include <dumb/onboarding/decision.hpp>
#include <set>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace dumb::test {

/// A configuration to onboard on, without files, sockets or processes.
struct OnboardingBench {
  const catalog::Catalog& catalog = catalog::Catalog::embedded();
  config::Model model = catalog.model();
  json::object document = catalog.default_document();
  std::set<std::string> running;
  std::set<std::string> used_directories;
  std::set<std::int64_t> used_ports;
  std::int64_t api_port = 8000;

  /// The packaged template with nothing enabled (section 9 of the specification).
  OnboardingBench() { at("/dumb/frontend/enabled") = false; }

  json::value& at(std::string_view pointer) {
    const auto path = jsonx::parse_pointer(pointer);
    REQUIRE(path);
    const json::value* found = jsonx::find(document, *path);
    INFO(std::string(pointer));
    REQUIRE(found != nullptr);
    return const_cast<json::value&>(*found);
  }
  void set(std::string_view pointer, json::value value) {
    jsonx::set(document, *jsonx::parse_pointer(pointer), std::move(value));
  }
  bool has(std::string_view pointer) const {
    return jsonx::find(document, *jsonx::parse_pointer(pointer)) != nullptr;
  }

  static onboarding::Request request(std::string_view text) {
    codec::Faults faults;
    const auto body = jsonx::parse(text);
    REQUIRE(body);
    onboarding::Request out = onboarding::read_request(*body, faults);
    REQUIRE(faults.empty());
    return out;
  }
  onboarding::Decision decide(std::string_view text) const {
    onboarding::Facts facts;
    facts.catalog = &catalog;
    facts.model = &model;
    facts.config = std::make_shared<const config::Snapshot>(document, document, 1);
    facts.running = running;
    facts.api_port = api_port;
    facts.holds_files = [this](const std::string& directory) { return used_directories.contains(directory); };
    facts.port_in_use = [this](std::int64_t port) { return used_ports.contains(port); };
    return onboarding::decide(facts, request(text));
  }
  /// Takes the decision's changes into the document.
  void take(const onboarding::Decision& decision) {
    for (const config::Edit& edit : decision.edits) {
      if (edit.value) {
        jsonx::set(document, edit.path, *edit.value);
      } else {
        jsonx::erase(document, edit.path);
      }
    }
  }
  onboarding::Decision onboard(std::string_view text) {
    onboarding::Decision decision = decide(text);
    take(decision);
    return decision;
  }
  /// What is started when everything succeeds; with the reply.
  struct Run {
    std::vector<std::string> started;
    onboarding::Reply reply;
  };
  /// Carries a decision out; the named processes fail.
  Run run(const onboarding::Decision& decision, const std::set<std::string>& failing = {}) {
    Run out;
    onboarding::Progress progress(decision);
    while (const auto next = progress.next()) {
      if (failing.contains(next->process_name)) {
        progress.done(onboarding::Failure{onboarding::Stage::launch, next->process_name + " ended"});
        continue;
      }
      if (!running.contains(next->process_name) || next->restart) out.started.push_back(next->process_name);
      running.insert(next->process_name);
      progress.done(std::nullopt);
    }
    out.reply = progress.reply();
    return out;
  }
  Run onboard_and_run(std::string_view text, const std::set<std::string>& failing = {}) {
    const onboarding::Decision decision = decide(text);
    take(decision);
    return run(decision, failing);
  }
};

/// The changes as lines "pointer = value" or "pointer removed", sorted.
inline std::vector<std::string> changes_of(const onboarding::Decision& decision) {
  std::vector<std::string> out;
  for (const config::Edit& edit : decision.edits) {
    const std::string where = jsonx::pointer(edit.path);
    out.push_back(edit.value ? where + " = " + jsonx::print_compact(*edit.value) : where + " removed");
  }
  std::sort(out.begin(), out.end());
  return out;
}

using Names = std::vector<std::string>;

}  // namespace dumb::test
