//! Columns to Parquet and back. Everything that touches the `parquet` crate is
//! here and in `page_guard`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::column::reader::{get_column_reader, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type};

use crate::page_guard::{GuardedFile, GuardedPages};
use crate::thrift;

/// Length of a Parquet file's last part: the footer's length and the magic.
const TAIL: usize = 8;

/// Largest footer in bytes. Ours have one row group and take about 2 KiB; the
/// Parquet reader recurses over what it finds there.
const LARGEST_FOOTER: usize = 64 << 10;

/// Rows decoded at once: bounds what a run-length of two thousand million
/// equal values can make the reader allocate.
const BATCH: usize = 1 << 16;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Text,
    Float,
}

/// The values of a column, one per row, none missing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    Int(Vec<i64>),
    Text(Vec<ByteArray>),
    Float(Vec<f32>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Int(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Float(values) => values.len(),
        }
    }

    const fn kind(&self) -> Kind {
        match self {
            Self::Int(_) => Kind::Int,
            Self::Text(_) => Kind::Text,
            Self::Float(_) => Kind::Float,
        }
    }
}

/// A named column to write.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// Whether few values repeat often.
    pub(crate) repetitive: bool,
    pub(crate) values: Values,
}

impl Column {
    pub(crate) const fn repetitive(name: &'static str, values: Values) -> Self {
        Self { name, repetitive: true, values }
    }

    pub(crate) const fn varied(name: &'static str, values: Values) -> Self {
        Self { name, repetitive: false, values }
    }

    /// The same whole number in every row.
    pub(crate) fn constant(name: &'static str, value: u32, rows: usize) -> Self {
        Self::repetitive(name, Values::Int(vec![i64::from(value); rows]))
    }

    /// The same text in every row.
    pub(crate) fn constant_text(name: &'static str, value: &str, rows: usize) -> Self {
        Self::repetitive(name, Values::Text(vec![ByteArray::from(value); rows]))
    }
}

/// A Parquet file of these columns, all of the same length, in one row group.
pub(crate) fn encode(name: &str, columns: &[Column]) -> Result<Vec<u8>, ParquetError> {
    let fields = columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder(name).with_fields(fields).build()?);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties(columns)))?;
    if columns.first().is_some_and(|column| column.values.len() > 0) {
        let mut group = writer.next_row_group()?;
        for column in columns {
            write_column(&mut group, &column.values)?;
        }
        group.close()?;
    }
    writer.into_inner()
}

fn field(column: &Column) -> Result<Arc<Type>, ParquetError> {
    let (physical, logical) = match column.values.kind() {
        Kind::Int => (Physical::INT64, None),
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Float => (Physical::FLOAT, None),
    };
    Type::primitive_type_builder(column.name, physical)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(logical)
        .build()
        .map(Arc::new)
}

fn properties(columns: &[Column]) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(None)
        .set_created_by(concat!("isolde ", env!("CARGO_PKG_VERSION")).into());
    for column in columns {
        let path = ColumnPath::from(column.name);
        builder = builder.set_column_dictionary_enabled(path, column.repetitive);
    }
    builder.build()
}

fn write_column(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &Values,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("more columns than the schema has".into()));
    };
    match values {
        Values::Int(values) => column.typed::<Int64Type>().write_batch(values, None, None)?,
        Values::Text(values) => column.typed::<ByteArrayType>().write_batch(values, None, None)?,
        Values::Float(values) => column.typed::<FloatType>().write_batch(values, None, None)?,
    };
    column.close()
}

/// The columns asked for, in the order asked for, from a Parquet file of at
/// most `most_rows` rows. Other columns of the file are passed over.
pub(crate) fn decode<const N: usize>(
    file: Vec<u8>,
    wanted: [(&str, Kind); N],
    most_rows: usize,
) -> Result<[Values; N], String> {
    let footer = footer(&file)?;
    if !thrift::schema_is_flat(footer) {
        return Err("its schema is not a flat list of columns".into());
    }
    let metadata = ParquetMetaDataReader::decode_metadata(footer).map_err(|e| e.to_string())?;
    let rows = rows(&metadata, most_rows)?;
    let file = Arc::new(GuardedFile(Bytes::from(file)));
    let mut columns = wanted.map(|(_, kind)| match kind {
        Kind::Int => Values::Int(Vec::new()),
        Kind::Text => Values::Text(Vec::new()),
        Kind::Float => Values::Float(Vec::new()),
    });
    for ((name, _), values) in wanted.iter().zip(&mut columns) {
        for group in metadata.row_groups() {
            // The run-length decoder of parquet 60 asserts that a run's value
            // follows its header, and the file may end there. Nothing outlives
            // such a panic: the columns are dropped with the error.
            let read = || read_column(&file, group, name, rows, values);
            std::panic::catch_unwind(AssertUnwindSafe(read))
                .unwrap_or_else(|_| Err("cannot be decoded".into()))
                .map_err(|why| format!("column {name}: {why}"))?;
        }
        if values.len() != rows {
            return Err(format!("column {name} has {} of {rows} rows", values.len()));
        }
    }
    Ok(columns)
}

fn footer(file: &[u8]) -> Result<&[u8], String> {
    let not_parquet = || "it is not a whole Parquet file".to_owned();
    let (head, tail) = file.split_last_chunk::<TAIL>().ok_or_else(not_parquet)?;
    let [a, b, c, d, magic @ ..] = *tail;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if magic != *b"PAR1" || length > head.len() {
        return Err(not_parquet());
    }
    if length > LARGEST_FOOTER {
        return Err(format!("its footer claims {length} bytes"));
    }
    Ok(&head[head.len() - length..])
}

fn rows(metadata: &ParquetMetaData, most: usize) -> Result<usize, String> {
    let mut total = 0usize;
    for group in metadata.row_groups() {
        let rows = usize::try_from(group.num_rows()).map_err(|_| "negative rows".to_owned())?;
        total = total.saturating_add(rows);
    }
    if total > most { Err(format!("it claims {total} rows")) } else { Ok(total) }
}

fn read_column(
    file: &Arc<GuardedFile>,
    group: &RowGroupMetaData,
    name: &str,
    most: usize,
    values: &mut Values,
) -> Result<(), String> {
    let column = group.columns().iter().find(|column| column.column_descr().name() == name);
    let column = column.ok_or("is missing")?;
    let description = column.column_descr_ptr();
    let physical = match values.kind() {
        Kind::Int => Physical::INT64,
        Kind::Text => Physical::BYTE_ARRAY,
        Kind::Float => Physical::FLOAT,
    };
    if description.physical_type() != physical
        || description.max_def_level() != 0
        || description.max_rep_level() != 0
    {
        return Err("is of another type".into());
    }
    let rows = usize::try_from(group.num_rows()).map_err(|error| error.to_string())?;
    let pages = GuardedPages::new(Arc::clone(file), column, rows).map_err(|e| e.to_string())?;
    let reader = get_column_reader(description, Box::new(pages));
    match values {
        Values::Int(values) => read_values::<Int64Type>(reader, most, values),
        Values::Text(values) => read_values::<ByteArrayType>(reader, most, values),
        Values::Float(values) => read_values::<FloatType>(reader, most, values),
    }
    .map_err(|error| error.to_string())
}

fn read_values<T: DataType>(
    reader: parquet::column::reader::ColumnReader,
    most: usize,
    values: &mut Vec<T::T>,
) -> Result<(), ParquetError> {
    let mut reader = get_typed_column_reader::<T>(reader);
    loop {
        // One row more than there may be shows that there are too many.
        let room = (most + 1).saturating_sub(values.len()).min(BATCH);
        let (_, read, _) = reader.read_records(room, None, None, values)?;
        if read == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
