//! The book's pages for teachers, beside what they are about.

use std::fs;

use anyhow::Result;

/// Where the pages are.
const PAGES: &str = "../../book/src/workshop";

#[test]
fn the_plan_has_all_exercises_in_their_order() -> Result<()> {
    let info = fs::read_to_string("../info.toml")?;
    let named = info.lines().filter_map(|line| line.strip_prefix("name = ")).collect::<Vec<_>>();
    let named: Vec<_> = named.iter().map(|name| name.trim_matches('"')).collect();
    let plan = fs::read_to_string(format!("{PAGES}/plan.md"))?;
    let section = section(&plan, "{#order}");
    let rows: Vec<_> = section.lines().filter_map(|line| Some(cells(line)?[1])).skip(2).collect();
    assert_eq!(rows.iter().map(|name| name.trim_matches('`')).collect::<Vec<_>>(), named);
    Ok(())
}

#[test]
fn the_number_of_exercises_is_what_is_said_of_it() -> Result<()> {
    let number = fs::read_to_string("../info.toml")?.matches("[[exercises]]").count();
    for file in ["README.md", "CHANGELOG.md"] {
        let text = fs::read_to_string(format!("../../{file}"))?;
        assert!(text.contains(&format!("{number} exercises")), "{file}: {number}");
    }
    Ok(())
}

#[test]
fn a_plan_of_the_tool_is_that_of_the_page() -> Result<()> {
    let page = fs::read_to_string(format!("{PAGES}/plan.md"))?;
    for plan in ["half-day", "full-day"] {
        let listed = fs::read_to_string(format!("../plans/{plan}"))?;
        let rows = section(&page, &format!("{{#{plan}}}")).lines().filter_map(cells).skip(2);
        let named: Vec<_> = rows
            .filter(|row| row[2].starts_with('`'))
            .flat_map(|row| {
                row[2].split(", ").map(|name| name.trim_matches('`')).collect::<Vec<_>>()
            })
            .collect();
        let names = listed.lines().map(|line| line.split(',').next().unwrap_or_default());
        assert_eq!(names.collect::<Vec<_>>(), named, "{plan}");
    }
    Ok(())
}

#[test]
fn what_a_plan_leaves_out_when_time_runs_short_is_what_the_page_leaves_out() -> Result<()> {
    let page = fs::read_to_string(format!("{PAGES}/plan.md"))?;
    let rows: Vec<_> = section(&page, "{#jump}").lines().filter_map(cells).collect();
    let late = rows.iter().find(|row| row[0] == "late").expect("a row for who is late");
    for (column, plan) in [(1, "half-day"), (2, "full-day")] {
        let listed = fs::read_to_string(format!("../plans/{plan}"))?;
        let waits = listed.lines().filter_map(|line| line.strip_suffix(", if there is time"));
        let said: Vec<_> = late[column].split('`').skip(1).step_by(2).collect();
        assert_eq!(waits.collect::<Vec<_>>(), said, "{plan}");
    }
    Ok(())
}

#[test]
fn the_minutes_of_the_list_are_those_of_the_page() -> Result<()> {
    let info = fs::read_to_string("../info.toml")?;
    let minutes: Vec<_> = info.lines().filter_map(|line| line.strip_prefix("minutes = ")).collect();
    let plan = fs::read_to_string(format!("{PAGES}/plan.md"))?;
    let rows: Vec<_> = section(&plan, "{#order}")
        .lines()
        .filter_map(|line| Some(cells(line)?[2]))
        .skip(2)
        .collect();
    assert_eq!(minutes, rows);
    Ok(())
}

#[test]
fn rustlings_is_asked_for_in_the_version_that_is_tested() -> Result<()> {
    let script = fs::read_to_string("../../tests/workshop")?;
    let version = script.lines().find_map(|line| line.strip_prefix("version="));
    let command = format!("cargo install --locked rustlings@{}", version.expect("a version"));
    for file in ["../README.md", &format!("{PAGES}/machines.md")] {
        let text = fs::read_to_string(file)?;
        assert!(text.contains(&command), "{file} lacks {command}");
        let asked = text.matches("install --locked rustlings").count();
        assert_eq!(asked, text.matches(&command).count(), "{file}: without a version");
    }
    Ok(())
}

#[test]
fn the_pages_of_nix_are_made_for_the_version_that_the_exercises_take() -> Result<()> {
    let manifest = fs::read_to_string("../Cargo.toml")?;
    let version = manifest.split_once("nix = { version = \"").map_or("", |(_, rest)| rest);
    let version = version.split('"').next().and_then(|version| version.rsplit_once('.'));
    // Another one is in the lock as well, for stage 08.
    let package = format!("-p nix@{} ", version.expect("three numbers").0);
    let machines = fs::read_to_string(format!("{PAGES}/machines.md"))?;
    assert!(machines.contains(&package), "{package}");
    Ok(())
}

#[test]
fn no_line_of_a_hint_or_of_what_rustlings_says_is_wider_than_a_terminal() -> Result<()> {
    let info = fs::read_to_string("../info.toml")?;
    let wide = info.lines().find(|line| line.chars().count() > 78);
    assert_eq!(wide, None);
    Ok(())
}

#[test]
fn each_exercise_is_spoken_of_in_the_page_for_who_teaches() -> Result<()> {
    let info = fs::read_to_string("../info.toml")?;
    let say = fs::read_to_string(format!("{PAGES}/say.md"))?;
    let names = info.lines().filter_map(|line| line.strip_prefix("name = "));
    let silent: Vec<_> =
        names.filter(|name| !say.contains(&format!("`{}`", name.trim_matches('"')))).collect();
    assert!(silent.is_empty(), "say.md says nothing about {silent:?}");
    Ok(())
}

#[test]
fn each_hint_has_three_steps_and_fits_a_terminal() -> Result<()> {
    let info = fs::read_to_string("../info.toml")?;
    for exercise in info.split("[[exercises]]").skip(1) {
        let hint = exercise.split("\"\"\"").nth(1).unwrap_or_default();
        let steps: Vec<_> = hint.trim().split("\n\n").map(|step| step.get(..3)).collect();
        assert_eq!(steps, [Some("1. "), Some("2. "), Some("3. ")], "{exercise}");
        let wide = hint.lines().find(|line| line.chars().count() > 78);
        assert_eq!(wide, None, "{exercise}");
    }
    Ok(())
}

#[test]
fn the_minutes_of_a_plan_add_up() -> Result<()> {
    let plan = fs::read_to_string(format!("{PAGES}/plan.md"))?;
    let exercises: Vec<_> = section(&plan, "{#order}").lines().filter_map(cells).skip(2).collect();
    for day in ["{#half-day}", "{#full-day}"] {
        let mut now = 0;
        for row in section(&plan, day).lines().filter_map(cells).skip(2) {
            let minutes: u32 = row[1].parse()?;
            assert_eq!(row[0], format!("{}:{:02}", now / 60, now % 60), "{day}: {row:?}");
            now += minutes;
            let in_row = exercises.iter().filter(|exercise| row[2].contains(exercise[1]));
            let sum = in_row.map(|exercise| exercise[2].parse::<u32>()).sum::<Result<u32, _>>()?;
            assert!(sum == 0 || sum == minutes, "{day}: {row:?} takes {sum}");
        }
    }
    Ok(())
}

#[test]
fn containers_get_the_options_that_the_doctor_prints() -> Result<()> {
    let machines = fs::read_to_string(format!("{PAGES}/machines.md"))?;
    let causes = fs::read_to_string("../../common/src/diagnosis/remedies.rs")?;
    for engine in ["podman", "docker"] {
        // Over the ends of lines in the code.
        let command = causes.split(&format!("\"{engine} run ")).nth(1).unwrap_or_default();
        let command = command.split('{').next().unwrap_or_default().replace('\\', "");
        let options: Vec<_> = command.split_whitespace().collect();
        assert!(options.len() == 6, "{engine}: {options:?}");
        let line = machines.lines().find(|line| line.starts_with(&format!("$ {engine} run ")));
        assert!(line.is_some_and(|line| line.contains(&options.join(" "))), "{line:?}");
    }
    Ok(())
}

/// Returns the part of a page below the heading with this id.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let rest = page.split_once(id).map_or("", |(_, rest)| rest);
    rest.split("\n## ").next().unwrap_or_default()
}

/// Returns the cells of a table's row.
fn cells(line: &str) -> Option<Vec<&str>> {
    let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(line.split(" | ").collect())
}
