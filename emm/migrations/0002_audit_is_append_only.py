from django.db import migrations

FORWARD = """
CREATE FUNCTION emm_auditentry_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('emm.retention', true) = 'on' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'Audit entries are never changed or deleted.' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER emm_auditentry_append_only BEFORE UPDATE OR DELETE ON emm_auditentry
    FOR EACH ROW EXECUTE FUNCTION emm_auditentry_refuse();
"""

BACKWARD = """
DROP TRIGGER emm_auditentry_append_only ON emm_auditentry;
DROP FUNCTION emm_auditentry_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("emm", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
