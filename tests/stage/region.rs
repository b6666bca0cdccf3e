//! One region: a Redis pair, and instances beside it.

use std::path::PathBuf;
use std::sync::Arc;

use super::instance::{Instance, Setup};
use super::proxy::{Address, Imposed, Proxy, Trouble};
use super::redis::RedisPair;
use super::{Stage, program};

/// Its name, its Redis and its instances.
pub struct Region {
    pub name: String,
    pub instances: Vec<Arc<Instance>>,
    pub redis: RedisPair,
}

impl Region {
    /// Starts it, and does not wait for its instances. `far` regions reach Postgres over a distance.
    pub(super) fn start(stage: &Stage, name: &str, redis_program: PathBuf, far: bool) -> Arc<Self> {
        let redis = RedisPair::start(name, Arc::clone(&stage.place), stage.account.clone(), redis_program);
        let logs = stage.options.logs.clone().unwrap_or_else(|| stage.place.own.clone());
        std::fs::create_dir_all(&logs).expect("a directory for logs");
        let instance = |number: usize| {
            let seed = stage.options.seed ^ (number as u64) << 32;
            let link = |target| Proxy::between(&Address::free_port(), target, seed);
            let database = link(stage.postgres.address(stage.postgres.primary()));
            if far && !stage.options.delay_between_regions.is_zero() {
                database.lies_far(stage.options.delay_between_regions / 2);
            }
            Instance::new(Setup {
                region: name.to_owned(),
                number,
                database,
                redis: link(redis.address(redis.primary())),
                log: logs.join(format!("{name}-{number}.log")),
                program: program(),
                settings: stage.settings().into_iter().collect(),
            })
        };
        let instances: Vec<_> =
            (0..stage.options.instances).map(|number| Arc::new(instance(number))).collect();
        let region = Self { name: name.to_owned(), instances, redis };
        region.launch();
        Arc::new(region)
    }

    /// Whatever of it does not run runs.
    pub fn launch(&self) {
        self.redis.launch(self.redis.primary());
        self.redis.launch(1 - self.redis.primary());
        for instance in &self.instances {
            instance.launch();
        }
    }

    /// All of it is killed.
    pub fn kill(&self) {
        for instance in &self.instances {
            instance.kill();
        }
        self.redis.kill(0);
        self.redis.kill(1);
    }

    /// All of it stands still.
    pub fn pause(&self) {
        for instance in &self.instances {
            instance.pause();
        }
        self.redis.pause(0);
        self.redis.pause(1);
    }

    /// It goes on.
    pub fn resume(&self) {
        self.redis.resume(0);
        self.redis.resume(1);
        for instance in &self.instances {
            instance.resume();
        }
    }

    /// Leads the links of its instances to the present primary of its Redis. Their connections of now are closed.
    pub fn lead_to_primary(&self) {
        let primary = self.redis.address(self.redis.primary());
        for instance in &self.instances {
            instance.redis.lead_to(primary.clone());
            instance.redis.close();
        }
    }

    /// Imposes a trouble on every link by which its instances reach beyond it.
    pub fn impose(&self, trouble: Trouble) -> Vec<Imposed> {
        self.instances.iter().map(|instance| instance.database.impose(trouble)).collect()
    }

    /// Lifts that trouble.
    pub fn lift(&self, imposed: &[Imposed]) {
        self.instances.iter().zip(imposed).for_each(|(instance, imposed)| instance.database.lift(imposed));
    }
}
