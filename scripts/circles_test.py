"""What scripts/circles calls a circle, and what it does not. scripts/check runs this; it takes a second."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CIRCLES = Path(__file__).parent / "circles"


def look(**files):
    """Makes a crate of the files (`a__b` is a/b.rs) and gives the exit code and what was printed."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "planted", "src")
        source.mkdir(parents=True)
        Path(folder, "planted", "Cargo.toml").touch()
        for name, text in files.items():
            file = source / (name.replace("__", "/") + ".rs")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        done = subprocess.run([sys.executable, CIRCLES, folder], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr


class Circles(unittest.TestCase):
    def holds(self, **files):
        code, said = look(**files)
        self.assertEqual(code, 0, said)

    def fails(self, *lines, **files):
        code, said = look(**files)
        self.assertEqual(code, 1, said)
        for line in lines:
            self.assertIn(line, said)

    def test_two_files(self):
        self.fails(
            "  planted/src/a.rs:2 -> planted/src/b.rs\n  planted/src/b.rs:1 -> planted/src/a.rs\n",
            lib="mod a;\nmod b;\n",
            a="struct A;\nuse crate::b::B;\n",
            b="use super::a::{A, Other as _};\nstruct B;\n",
        )

    def test_three_files(self):
        self.fails(
            "planted/src/a.rs:1 -> planted/src/b.rs",
            "planted/src/b.rs:1 -> planted/src/c.rs",
            "planted/src/c.rs:2 -> planted/src/a.rs",
            lib="mod a;\nmod b;\nmod c;\n",
            a="use crate::b::f;\npub fn f() {}\n",
            b="use crate::c::f;\npub fn f() {}\n",
            c="use crate::a;\npub fn f() { a::f() }\n",
        )

    def test_a_path_in_the_code(self):
        self.fails(
            "planted/src/a.rs:1 -> planted/src/b.rs",
            lib="mod a;\nmod b;\n",
            a="struct A(Vec<crate::b::B>);\n",
            b="use crate::a::A;\nstruct B;\n",
        )

    def test_all_names_of_a_file(self):
        self.fails(
            lib="mod a;\nmod b;\n",
            a="use crate::b::*;\npub struct A;\n",
            b="use crate::a::*;\npub struct B;\n",
        )

    def test_one_direction(self):
        self.holds(
            lib="mod a;\nmod b;\n",
            a="use crate::b::B;\n",
            b="use std::fmt;\nstruct B;\n",
        )

    def test_a_module_and_its_folder(self):
        self.holds(
            lib="mod a;\npub struct Root;\n",
            a__mod="mod b;\nmod c;\nuse b::B;\npub struct A;\n",
            a__b="use super::c::C;\nuse crate::Root;\npub struct B;\n",
            a__c="use super::A;\npub struct C;\n",
        )

    def test_two_files_of_a_folder(self):
        self.fails(
            "planted/src/a/b.rs:1 -> planted/src/a/c.rs",
            lib="mod a;\n",
            a="mod b;\nmod c;\npub struct A;\nuse b::B;\n",
            a__b="use super::c::C;\nuse super::A;\npub struct B;\n",
            a__c="use super::b::B;\n",
        )

    def test_a_folder_and_a_file_beside_it(self):
        self.fails(
            "planted/src/d.rs:1 -> planted/src/a/mod.rs",
            lib="mod a;\nmod d;\n",
            a__mod="mod b;\nuse b::B;\npub struct A;\n",
            a__b="use crate::d::D;\npub struct B;\n",
            d="use crate::a::A;\npub struct D;\n",
        )

    def test_what_is_only_named_again_is_followed(self):
        self.holds(
            lib="mod a;\nmod d;\n",
            a__mod="mod b;\nmod c;\npub use c::C;\nuse b::B;\n",
            a__b="use crate::d::D;\npub struct B;\n",
            a__c="pub struct C;\n",
            d="use crate::a::C;\npub struct D;\n",
        )
        self.fails(
            "planted/src/d.rs:1 -> planted/src/a/b.rs",
            lib="mod a;\nmod d;\n",
            a__mod="mod b;\npub use self::b::*;\n",
            a__b="use crate::d::D;\npub struct B;\n",
            d="use crate::a::B;\npub struct D;\n",
        )

    def test_tests_may_reach_for_everything(self):
        self.holds(
            lib="mod a;\nmod b;\n",
            a="use crate::b::B;\npub struct A;\n#[cfg(test)]\nmod tests;\n",
            a__tests="use crate::b::B;\n",
            b="pub struct B;\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n",
        )

    def test_prose_is_no_import(self):
        self.holds(
            lib="mod a;\nmod b;\n",
            a="use crate::b::B;\n",
            b="/// See [`crate::a::A`].\npub struct B;\nconst C: &str = \"crate::a::A\";\nconst D: char = '\"';\n",
        )

    def test_other_crates_are_not_this_one(self):
        self.holds(
            lib="mod time;\nmod b;\n",
            time="use crate::b::B;\n",
            b="use tokio::time;\npub struct B;\nfn f() { time::sleep() }\nuse std::time::Duration;\n",
        )

    def test_an_order_that_is_given_is_held_to(self):
        order = "//! Each imports only what stands to the right of it:\n//! `a`, `b`. And so on.\nmod a;\nmod b;\nmod c;\n"
        self.holds(lib=order, a__mod="use crate::b::B;\n", b="struct B;\nuse crate::c::C;\n", c="struct C;\n")
        self.fails(
            "planted/src/b.rs:2 -> planted/src/a/d.rs is against the order",
            lib=order,
            a__mod="pub mod d;\n",
            a__d="pub struct D;\n",
            b="struct B;\nuse crate::a::d::D;\n",
            c="use crate::b::B;\n",
        )


unittest.main()
