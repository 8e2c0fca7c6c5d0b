//! What the services in the kernel tests need: programs of the distribution, and Python packages,
//! which are put into the cache and not installed.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    packages::{self, Need},
    pip, toolchain, workspace,
};

/// Names a folder to use unchanged, and tells the tests where the packages are.
pub(crate) const FOLDER: &str = "COWTRACE_PACKAGES";

/// Packages that start no service when they are installed. Redis' server is among its tools too,
/// under the name of one of them.
const NEEDS: &[Need] = &[
    Need {
        program: "redis-check-rdb",
        packages: &["redis-tools"],
        why: "tests trace Redis while it saves, and queues of jobs that it keeps",
    },
    Need {
        program: "puma",
        packages: &["puma"],
        why: "tests trace a Ruby service",
    },
    Need {
        program: "php",
        packages: &["php-cli"],
        why: "tests trace PHP, whose heap they recognize",
    },
    Need {
        program: "Rscript",
        packages: &["r-base-core"],
        why: "tests trace R, whose collector marks each vector",
    },
    Need {
        program: "starman",
        packages: &["starman"],
        why: "tests trace a Perl service",
    },
    Need {
        program: "uwsgi_python3",
        packages: &["uwsgi-plugin-python3"],
        why: "tests trace uWSGI with two applications, each in an interpreter of its own",
    },
    Need {
        program: "node",
        packages: &["nodejs"],
        why: "tests trace Node's cluster, whose workers inherit nothing",
    },
];

/// What the packages are for, in words.
const SERVICES: &str = "Tornado, gunicorn, Celery, RQ, supervisor, joblib, NumPy and pandas";

/// Python packages, for 3.10 and later. `NumPy` and pandas run only on the version that installs them, all
/// others on every one. Each is followed by what it needs: RQ by nothing more, since nothing here uses its cron,
/// and redis by a package that it needs before Python 3.11.3.
const PINS: &[&str] = &[
    "tornado==6.6.1",
    "gunicorn==27.0.1",
    "supervisor==4.3.0",
    "joblib==1.6.0",
    "cloudpickle==3.1.3",
    "rq==3.0.0",
    "redis==8.1.0",
    "async-timeout==5.0.1",
    "celery==5.7.0",
    "kombu==5.7.0",
    "amqp==5.4.2",
    "vine==5.1.0",
    "billiard==4.3.2",
    "packaging==25.0",
    "tzlocal==5.4.5",
    "click==8.5.1",
    "click-didyoumean==0.3.1",
    "click-plugins==1.1.1.2",
    "click-repl==0.4.1",
    "typing_extensions==4.16.0",
    "prompt_toolkit==3.0.53",
    "wcwidth==0.2.14",
    "numpy==2.2.6; python_version < '3.14'",
    "numpy==2.3.5; python_version >= '3.14'",
    "pandas==2.3.3",
    "python-dateutil==2.9.0.post0",
    "six==1.17.0",
    "pytz==2025.2",
    "tzdata==2025.2",
];
/// Makes sure that they exist, and returns the folder with the Python packages.
pub(crate) fn ensure() -> Result<PathBuf> {
    packages::ensure(NEEDS)?;
    if let Some(folder) = workspace::given_folder(FOLDER)? {
        return Ok(folder);
    }
    // By this folder's name cowtrace distinguishes a library's code from a service's own.
    let folder = toolchain::cache().join("python").join("site-packages");
    pip::ensure(
        &folder,
        PINS,
        &contents(&version()?),
        "the kernel tests trace services made of them",
    )
    .with_context(|| {
        format!(
            "the kernel tests trace services of Python (instead, set {FOLDER} to a folder that has {SERVICES})"
        )
    })?;
    Ok(folder)
}

/// Major and minor version of the Python that installs: `NumPy` works only with this one.
fn version() -> Result<String> {
    let ask = "import sys; print('%d.%d' % sys.version_info[:2])";
    let output = Command::new("python3").args(["-c", ask]).output();
    let output = output.context("cannot start python3")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn contents(version: &str) -> String {
    let lines = PINS.iter().map(|pin| format!("{pin}\n"));
    format!("python {version}\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_has_its_version() {
        assert!(PINS.iter().all(|pin| pin.split_once("==").is_some()));
    }
}
