//! A folder as an object store whose writes are on disk for good when they return.
//!
//! The local store of `object_store` syncs neither files nor folders, so a power cut could leave an entry of a table's log that refers to
//! empty files. Here a file is synced before it appears under its name, and its folders before the writer goes on.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

use crate::fail_points::{BEFORE_ENTRY, fail_point};

/// The whole file system, as delta-rs wants it; a table lives under its own path.
#[derive(Debug, Default)]
pub(super) struct DurableStore {
    files: LocalFileSystem,
}

impl fmt::Display for DurableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DurableStore")
    }
}

#[async_trait]
impl ObjectStore for DurableStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let path = self.files.path_to_filesystem(location)?;
        let create = match options.mode {
            PutMode::Overwrite => false,
            PutMode::Create => true,
            PutMode::Update(_) => return self.files.put_opts(location, payload, options).await,
        };
        blocking(move || put(&path, &payload, create)).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let path = self.files.path_to_filesystem(location)?;
        let upload = self.files.put_multipart_opts(location, options).await?;
        Ok(Box::new(DurableUpload { upload, path }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let path = self.files.path_to_filesystem(to)?;
        self.files.copy_opts(from, to, options).await?;
        blocking(move || sync(&path).map_err(|error| (error, path))).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let path = self.files.path_to_filesystem(to)?;
        self.files.rename_opts(from, to, options).await?;
        blocking(move || sync(&path).map_err(|error| (error, path))).await
    }
}

/// A large file, written in parts.
#[derive(Debug)]
struct DurableUpload {
    upload: Box<dyn MultipartUpload>,
    path: PathBuf,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.upload.complete().await?;
        let path = self.path.clone();
        blocking(move || sync(&path).map_err(|error| (error, path))).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

type IoFailure = (std::io::Error, PathBuf);

/// Writes beside the file's place, syncs, and puts it in its place; with `create` only if nothing is there.
fn put(path: &FilePath, payload: &PutPayload, create: bool) -> Result<(), IoFailure> {
    let staged = staged(path);
    let written = (|| {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = File::create_new(&staged)?;
        payload.iter().try_for_each(|bytes| file.write_all(bytes))?;
        file.sync_all()?;
        if create {
            fail_point(BEFORE_ENTRY);
            std::fs::hard_link(&staged, path)
        } else {
            std::fs::rename(&staged, path)
        }
    })();
    if create || written.is_err() {
        // Listings pass over such names: one that stays is only in the way.
        let _ = std::fs::remove_file(&staged);
    }
    written.and_then(|()| sync_folders(path)).map_err(|error| (error, path.to_owned()))
}

/// A name that no listing shows: `object_store` takes `#` and digits for an upload that isn't complete.
fn staged(path: &FilePath) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut name = path.as_os_str().to_owned();
    name.push(format!("#{}{:08}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    name.into()
}

fn sync(path: &FilePath) -> std::io::Result<()> {
    File::open(path)?.sync_all()?;
    sync_folders(path)
}

/// The folder holds the file's name, and the folder above may have just got the folder's.
fn sync_folders(path: &FilePath) -> std::io::Result<()> {
    path.ancestors().skip(1).take(2).try_for_each(|folder| File::open(folder)?.sync_all())
}

async fn blocking(work: impl FnOnce() -> Result<(), IoFailure> + Send + 'static) -> Result<()> {
    let worked = tokio::task::spawn_blocking(work).await.map_err(|source| Error::JoinError { source })?;
    worked.map_err(|(error, path)| {
        let path = path.display().to_string();
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source: error.into() },
            _ => Error::Generic { store: "lake", source: format!("{path}: {error}").into() },
        }
    })
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;
    use object_store::ObjectStoreExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_there_is_not_replaced_unless_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = Path::from_absolute_path(folder.path().join("new").join("entry.json")).unwrap();
        let store = DurableStore::default();
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        store.put_opts(&path, "1".into(), create.clone()).await.unwrap();
        let again = store.put_opts(&path, "2".into(), create).await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "1");
        store.put(&path, "3".into()).await.unwrap();
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "3");

        let parts = Path::from_absolute_path(folder.path().join("parts")).unwrap();
        let mut upload = store.put_multipart(&parts).await.unwrap();
        upload.put_part("4".into()).await.unwrap();
        upload.complete().await.unwrap();
        let whole = Path::from_absolute_path(folder.path()).unwrap();
        let listed: Vec<_> = store.list(Some(&whole)).try_collect().await.unwrap();
        assert_eq!(listed.len(), 2);
        assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 1, "nothing staged stays");
    }
}
