//! The files of one version as a table of DataFusion's: a list, of which a question takes the days that it asks about.
//!
//! What can be told of a filter without reading is told here: filters of the day choose files. Whatever else is filtered by is left to
//! DataFusion, which passes over row groups by their least and greatest values and looks at the rest after reading it.
//! Why not delta-rs' own table: docs/adr/010-reading-the-lakes-files.md.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Date32Type, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNode as _;
use datafusion::common::{DFSchema, ScalarValue, Statistics, stats::Precision};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::listing::helpers::{expr_applicable_for_cols, filter_partitioned_file};
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use deltalake::kernel::LogicalFileView;
use deltalake::{DeltaResult, DeltaTable, DeltaTableError};
use object_store::ObjectMeta;

use crate::tables::{PARTITION_COLUMN, Table, with_texts};

/// In this version of Delta's protocol for readers a file is its rows: none is marked as deleted, no column has another name.
const PLAIN: i32 = 1;

/// A version's files.
#[derive(Debug)]
pub(super) struct Files {
    /// The table's columns, in its order.
    schema: SchemaRef,
    /// The same, with the day behind what files hold.
    columns: TableSchema,
    /// What `schema` is in terms of `columns`.
    order: Vec<usize>,
    files: Vec<PartitionedFile>,
}

impl Files {
    /// The files of the version that this handle has read.
    pub(super) fn new(delta: &DeltaTable, folder: &Path, table: Table) -> DeltaResult<Self> {
        let snapshot = delta.snapshot()?;
        let version = snapshot.protocol().min_reader_version();
        if version > PLAIN {
            return Err(DeltaTableError::generic(format!(
                "a reader needs version {version} of Delta's protocol: who has changed it?"
            )));
        }
        // Texts are read as views: those of a column are mostly alike, and a view copies none of them.
        let schema = with_texts(&table.schema(), &DataType::Utf8View);
        let (days, in_files): (Vec<_>, Vec<_>) =
            schema.fields().iter().cloned().partition(|field| field.name() == PARTITION_COLUMN);
        let columns = TableSchema::builder(Arc::new(Schema::new(in_files))).with_table_partition_cols(days).build();
        let order = schema.fields().iter().map(|field| columns.table_schema().index_of(field.name()));
        let order = order.collect::<Result<_, _>>()?;
        let files = snapshot.log_data().into_iter().map(|view| file(&view, folder, &columns));
        let files = files.collect::<DeltaResult<_>>()?;
        Ok(Self { schema, columns, order, files })
    }
}

fn file(view: &LogicalFileView, folder: &Path, columns: &TableSchema) -> DeltaResult<PartitionedFile> {
    let damaged = |why: &str| DeltaTableError::generic(format!("{}: {why}", view.path()));
    let day = view.partition_values_map().remove(PARTITION_COLUMN).flatten();
    let day = day.and_then(|day| day.parse::<chrono::NaiveDate>().ok()).ok_or_else(|| damaged("no day"))?;
    let location = object_store::path::Path::from_absolute_path(folder.join(view.object_store_path().as_ref()))
        .map_err(|_| damaged("no path"))?;
    let meta = ObjectMeta {
        location,
        // A file never changes, so that what is known of it need not be younger than anything.
        last_modified: chrono::DateTime::UNIX_EPOCH,
        size: u64::try_from(view.size()).map_err(|_| damaged("no size"))?,
        e_tag: None,
        version: None,
    };
    let mut statistics = Statistics::new_unknown(columns.file_schema());
    statistics.num_rows = view.num_records().map_or(Precision::Absent, Precision::Exact);
    statistics.total_byte_size = Precision::Exact(usize::try_from(view.size()).unwrap_or(usize::MAX));
    Ok(PartitionedFile::new_from_meta(meta)
        .with_partition_values(vec![ScalarValue::Date32(Some(Date32Type::from_naive_date(day)))])
        .with_statistics(Arc::new(statistics)))
}

/// Whether a filter is about the day alone, so that it takes or leaves whole files.
fn is_of_day(filter: &Expr) -> bool {
    let is_subquery = |part: &Expr| {
        Ok(matches!(part, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_)))
    };
    !filter.column_refs().is_empty()
        && expr_applicable_for_cols(&[PARTITION_COLUMN], filter)
        && !filter.exists(is_subquery).unwrap_or(true)
}

#[async_trait]
impl TableProvider for Files {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match is_of_day(filter) {
            true => TableProviderFilterPushDown::Exact,
            // The optimizer of the physical plan hands on to the files what can be handed on.
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let days = DFSchema::from_unqualified_fields(self.columns.table_partition_cols().clone(), Default::default())?;
        // A filter that is neither true nor false of a day leaves it out.
        let filters: Vec<_> = filters.iter().map(|filter| filter.clone().is_true()).collect();
        let files =
            self.files.iter().filter_map(|file| filter_partitioned_file(file.clone(), &filters, &days).transpose());
        let group = FileGroup::new(files.collect::<Result<_>>()?);
        let statistics = match group.is_empty() {
            // That there is nothing is known as well: the order of joins hangs on it.
            true => Statistics::new_unknown(self.columns.table_schema())
                .with_num_rows(Precision::Exact(0))
                .with_total_byte_size(Precision::Exact(0)),
            false => Statistics::try_merge_iter(
                group.iter().filter_map(|file| file.statistics.as_deref()),
                self.columns.table_schema(),
            )?,
        };
        let runtime = session.runtime_env();
        let store_url = ObjectStoreUrl::local_filesystem();
        let cache = runtime.cache_manager.get_file_metadata_cache();
        let readers = CachedParquetFileReaderFactory::new(runtime.object_store(&store_url)?, cache);
        let options = TableParquetOptions {
            global: session.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let source = ParquetSource::new(self.columns.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(readers));
        let projection = projection.map_or_else(
            || self.order.clone(),
            |projection| projection.iter().map(|&column| self.order[column]).collect(),
        );
        let scan = FileScanConfigBuilder::new(store_url, Arc::new(source))
            .with_file_groups(vec![group])
            .with_statistics(statistics)
            .with_projection_indices(Some(projection))?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray as _, RecordBatch};
    use arrow::datatypes::Int64Type;
    use datafusion::physical_plan::displayable;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::lake::fevers::upload;
    use crate::lake::{Committed, LakeTable};
    use crate::pseudonym::LakeSecret;
    use crate::rows::RowMaker;

    /// A table of three days, ten scans each, and its rows as they were committed.
    async fn lake(folder: &Path) -> (LakeTable, RecordBatch) {
        let mut lake = LakeTable::open(folder, Table::Scans).await.unwrap();
        let days: Vec<_> = (0..3).map(|day| upload(day, day)).collect();
        let rows = RowMaker::new(Table::Scans, LakeSecret::new([3; 32])).rows(&days).batch;
        let committed = lake.commit(std::slice::from_ref(&rows), &[(0, None)].into(), &[(0, 3)].into()).await.unwrap();
        assert_eq!(committed, Committed::Yes);
        (lake, rows)
    }

    #[tokio::test]
    async fn rows_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let (lake, written) = lake(folder.path()).await;
        let read = lake.query("SELECT * FROM lake ORDER BY seq").await.unwrap();
        let read = arrow::compute::concat_batches(&read[0].schema(), &read).unwrap();
        let names = |batch: &RecordBatch| batch.schema().fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
        assert_eq!(names(&read), names(&written));
        for (read, written) in read.columns().iter().zip(written.columns()) {
            assert_eq!(&arrow::compute::cast(read, written.data_type()).unwrap(), written);
        }
    }

    #[tokio::test]
    async fn a_filter_of_days_leaves_out_whole_files() {
        let folder = tempfile::tempdir().unwrap();
        let (lake, _) = lake(folder.path()).await;
        let context = SessionContext::new();
        lake.register(&context, "lake").unwrap();
        for (filter, days, rows) in [
            ("true", 3, 30),
            ("local_date = DATE '2020-02-28'", 1, 10),
            ("local_date <> DATE '2020-02-28' AND direction = 'entry'", 2, 10),
            ("local_date > DATE '2021-01-01'", 0, 0),
            ("local_date IS NULL", 0, 0),
            ("NULLIF(local_date, DATE '2020-02-27') > DATE '2020-01-01'", 2, 20),
            // Not of the day alone, or not known before other rows are read: every file is looked at.
            ("local_date = DATE '2020-02-28' OR seq = 1", 3, 11),
            ("local_date = (SELECT max(local_date) FROM lake WHERE seq < 15)", 3, 10),
        ] {
            let question = context.sql(&format!("SELECT seq FROM lake AS one WHERE {filter}")).await.unwrap();
            let plan = question.clone().create_physical_plan().await.unwrap();
            let plan = displayable(plan.as_ref()).indent(false).to_string();
            // The subquery's own scan has a projection that is not the outer one's.
            let scan = plan.lines().find(|line| line.contains("DataSourceExec")).unwrap_or_default();
            assert_eq!(scan.matches("local_date=2020").count(), days, "{filter}\n{plan}");
            assert_eq!(question.count().await.unwrap(), rows, "{filter}");
        }
    }

    #[tokio::test]
    async fn what_the_log_knows_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let (lake, _) = lake(folder.path()).await;
        for day in std::fs::read_dir(folder.path().join("scans")).unwrap() {
            let day = day.unwrap().path();
            if day.to_string_lossy().contains("local_date=") {
                std::fs::remove_dir_all(day).unwrap();
            }
        }
        let counted = lake.query("SELECT count(*) FROM lake WHERE local_date < DATE '2020-02-29'").await.unwrap();
        assert_eq!(counted[0].column(0).as_primitive::<Int64Type>().value(0), 20);
        assert!(lake.query("SELECT count(seq + 1) FROM lake").await.is_err(), "the files are gone");
    }
}
