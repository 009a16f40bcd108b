SELECT near.code_ref, count(*) AS meetings
FROM scans AS one
JOIN scans AS near
  ON near.checkpoint = one.checkpoint
 AND near.scanned_at BETWEEN one.scanned_at - INTERVAL '15 minutes' AND one.scanned_at + INTERVAL '15 minutes'
WHERE one.local_date = DATE '{day}' AND near.local_date = DATE '{day}' AND near.code_ref <> one.code_ref
  AND one.code_ref = (SELECT max(code_ref) FROM scans WHERE local_date = DATE '{day}')
GROUP BY near.code_ref
ORDER BY meetings DESC, near.code_ref
LIMIT 1000
