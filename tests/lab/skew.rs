//! A machine whose clock is wrong: a library that is loaded before a program, and moves the time of day that it reads. Nothing else moves: what
//! counts seconds goes on as it did.

use super::program;
use super::service::folder;
use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = r#"#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *at) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int done = real(id, at);
  if (!done && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += SECONDS;
  return done;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  (void)zone;
  struct timespec now;
  int done = clock_gettime(CLOCK_REALTIME, &now);
  if (!done && at) at->tv_sec = now.tv_sec, at->tv_usec = now.tv_nsec / 1000;
  return done;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
"#;

/// The means to make a clock wrong.
#[derive(Debug)]
pub struct Skew(PathBuf);

/// Where there is a C compiler.
pub fn skew() -> Result<Skew, String> {
    program(&["cc", "gcc", "clang"], &[]).map(Skew).ok_or_else(|| "a C compiler (cc)".to_owned())
}

impl Skew {
    /// The words that start a program whose clock is so many seconds ahead.
    pub fn ahead(&self, seconds: i64) -> Vec<String> {
        let home = folder("skew");
        let (source, library) = (home.join("skew.c"), home.join("skew.so"));
        std::fs::write(&source, SOURCE).expect("a file in the lab's folder");
        let mut compile = Command::new(&self.0);
        compile
            .args(["-shared", "-fPIC", &format!("-DSECONDS=({seconds})"), "-o"])
            .arg(&library)
            .arg(&source)
            .arg("-ldl");
        assert!(compile.status().expect("the compiler runs").success(), "the library is made");
        vec!["/usr/bin/env".to_owned(), format!("LD_PRELOAD={}", library.display())]
    }
}
