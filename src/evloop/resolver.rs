//! Names are looked up on threads of their own, as that may block for long.

use super::slab::Id;
use crate::sys::eventfd::EventFd;
use crate::sys::stream::StreamAddr;
use crate::sys::{resolve, thread, Result};
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many lookups run at once; more wait.
const THREADS: usize = 8;

/// What was asked for, and what was found.
#[derive(Debug)]
pub struct Resolver(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    jobs: Mutex<Jobs>,
    /// Wakes the loop.
    wake: Arc<EventFd>,
}

#[derive(Debug, Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    threads: usize,
    done: Vec<(Id, Result<Vec<StreamAddr>>)>,
}

#[derive(Debug)]
struct Job {
    connection: Id,
    host: String,
    service: String,
}

impl Resolver {
    pub fn new(wake: Arc<EventFd>) -> Resolver {
        Resolver(Arc::new(Shared { jobs: Mutex::default(), wake }))
    }

    /// Looks up where a connection is to go.
    ///
    /// Errors: `EAGAIN` when no thread can be started.
    pub fn ask(&self, connection: Id, host: &str, service: &str) -> Result<()> {
        let mut jobs = self.0.jobs();
        if jobs.threads < THREADS {
            let shared = Arc::clone(&self.0);
            // Nobody waits for it: a lookup may outlive the loop by as long as the system takes.
            let work = move || shared.work();
            let started = thread::spawn_deep("resolver".to_string(), work);
            if jobs.threads == 0 {
                started?;
                jobs.threads += 1;
            } else if started.is_ok() {
                jobs.threads += 1;
            }
        }
        let (host, service) = (host.to_string(), service.to_string());
        jobs.waiting.push_back(Job { connection, host, service });
        Ok(())
    }

    /// What has been found since the last call.
    pub fn take(&self) -> Vec<(Id, Result<Vec<StreamAddr>>)> {
        std::mem::take(&mut self.0.jobs().done)
    }

    /// The descriptor that becomes readable when something is found.
    pub fn wake_fd(&self) -> RawFd {
        self.0.wake.raw()
    }

    /// Forgets what a connection has asked for, if it waits still.
    pub fn cancel(&self, connection: Id) {
        self.0.jobs().waiting.retain(|job| job.connection != connection);
    }
}

impl Shared {
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what waits, until nothing does.
    fn work(&self) {
        loop {
            let mut jobs = self.jobs();
            let Some(job) = jobs.waiting.pop_front() else {
                jobs.threads -= 1;
                return;
            };
            drop(jobs);
            let host = (!job.host.is_empty()).then_some(job.host.as_str());
            let found = resolve::lookup(host, &job.service)
                .map(|all| all.into_iter().map(StreamAddr::from).collect());
            self.jobs().done.push((job.connection, found));
            let _ = self.wake.add(1);
        }
    }
}
