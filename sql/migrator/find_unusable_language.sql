-- find_unusable_language: this role, and why it may not write functions or DO blocks in a language. The answer has no row
-- if it may, or if there is no such language.
-- :name  the language, without quotes
SELECT
    quote_ident(current_user) AS role,
    CASE WHEN lanpltrusted THEN 'it lacks the right USAGE' ELSE 'only a superuser may' END AS reason
FROM pg_language
WHERE lanname = :name
    AND NOT CASE
        WHEN lanpltrusted THEN has_language_privilege(oid, 'USAGE')
        ELSE (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    END;
