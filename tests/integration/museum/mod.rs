//! The museum: what breaks caches in the field, one exhibit each. Each has a twin, in which the protection is off
//! and what it protects from comes true.

mod a_long_transaction;
mod a_poison_row;
mod a_restored_backup;
mod a_standby;
mod commits_out_of_order;
mod delivered_twice;
mod missed_at_start;
mod pruned;
mod questions_without_answers;
mod two_warmers;
