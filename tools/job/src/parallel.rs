//! Work on many things at once, on as many threads as there are cores.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// What `work` makes of each thing, in their order; a thing is gone once it was worked on. Where no more threads can be had,
/// those there are do it all.
pub fn each<T: Send, R: Send>(things: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let workers = cores.min(things.len());
    let waiting = Mutex::new(things.into_iter().enumerate());
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::new());
    let take = || {
        loop {
            let Some((index, thing)) = locked(&waiting).next() else { break };
            let result = work(thing);
            locked(&done).push((index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..workers {
            // Without it the others take longer.
            let _ = thread::Builder::new().spawn_scoped(scope, take);
        }
        take();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|&(index, _)| index);
    done.into_iter().map(|(_, result)| result).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_stand_in_the_order_of_the_things() {
        let things: Vec<u64> = (0..1000).collect();
        let squares: Vec<u64> = things.iter().map(|x| x * x).collect();
        assert_eq!(super::each(things, |x| x * x), squares);
        assert!(super::each(Vec::new(), |x: u64| x).is_empty());
    }
}
